/**
 * The collector and the reconciler as they are deployed, but the first of them that gets to the crash point in a job's hint dies there:
 * `{"crash": "record: …"}`. An object `crashes/<job>` says that it did. Both, since either may be the one that records an end. Started anew at once:
 * the kubelet would wait longer from crash to crash.
 */
import { spawn } from 'node:child_process';
import type { Express } from 'express';
import type { JobStore, ArtifactStore } from '#core/ports.ts';
import type { CrashPoint } from '#test/faults/_crash-points.ts';
import { CRASH_POINTS } from '#test/faults/_crash-points.ts';
import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import { createCollectorApp } from '#functions/collector/app.ts';
import { exitWithReason, runFunction } from '#functions/http/run-function.ts';
import { openPlane } from '#functions/http/open-plane.ts';
import type { FunctionConfig } from '#functions/http/config.ts';
import type { HttpOptions } from '#functions/http/app.ts';
import { createReconcilerApp } from '#functions/reconciler/app.ts';
import type { OpenPlane } from '#functions/http/open-plane.ts';
import { readFunctionConfig } from '#functions/http/config.ts';
import { verifyHint } from '#adapters/signing.ts';

type Ports = OpenPlane['ports'];
type When = CrashPoint['when'];

const KILLED = 137;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Every port that a crash point names, with its calls watched: one after the other, so that no crash hides that another place was reached. */
function arm(ports: Ports): Ports {
  const { store, artifacts } = ports;
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = queue.then(work);
    queue = turn.catch(() => undefined);
    return turn;
  };
  const watch = <T extends object>(name: CrashPoint['port'], port: T): T =>
    new Proxy(port, {
      get(target, method) {
        const member: unknown = Reflect.get(target, method);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): Promise<unknown> =>
          inTurn(async () => {
            const look = (when: When, result?: unknown) =>
              dieIfMeant({ store, artifacts }, { name, method: String(method), when, args, result });
            await look('before');
            const result: unknown = await member.apply(target, args);
            await look('after', result);
            return result;
          });
      },
    });
  return {
    ...ports,
    store: watch('store', store),
    artifacts: watch('artifacts', artifacts),
    runner: watch('runner', ports.runner),
    sink: watch('sink', ports.sink),
  };
}

async function dieIfMeant(
  plain: { readonly store: JobStore; readonly artifacts: ArtifactStore },
  call: {
    readonly name: string;
    readonly method: string;
    readonly when: When;
    readonly args: readonly unknown[];
    readonly result: unknown;
  },
): Promise<void> {
  const points = Object.entries<CrashPoint>(CRASH_POINTS).filter(
    ([, point]) =>
      point.port === call.name && point.method === call.method && point.when === call.when && point.matches(call.args, call.result),
  );
  if (points.length === 0) return;
  const words = JSON.stringify([call.args, call.result]);
  for (const id of await findJobs(plain.store, words)) {
    const job = await plain.store.getJob(id);
    const crash: unknown = job?.options.hint?.startsWith('{') === true ? JSON.parse(job.options.hint).crash : undefined;
    if (!points.some(([name]) => name === crash)) continue;
    const { kind } = await plain.artifacts.createObject(`crashes/${id}`, String(crash), 'text/plain');
    // Nothing is finished or told: to everybody else this is a process that was killed.
    if (kind === 'created') process.exit(KILLED);
  }
}

/** Jobs that a call is about: by id, or by the name of an attempt in the cluster. */
async function findJobs(store: JobStore, words: string): Promise<readonly string[]> {
  const ids = words.match(UUID) ?? [];
  const names = words.match(/"kaggle-[a-z0-9-]+"/g) ?? [];
  const byName = await Promise.all(names.map((name) => store.findAttemptByName(name.slice(1, -1))));
  return [...new Set([...ids, ...byName.flatMap((read) => (read === null ? [] : [read.job.id]))])];
}

/** Runs the function as a child, anew after each crash; ends as it ends otherwise. */
function supervise(): void {
  const [script = '', ...args] = process.argv.slice(1);
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit', env: { ...process.env, DYING_CHILD: 'yes' } });
  const stop = (): void => void child.kill('SIGTERM');
  process.on('SIGTERM', stop);
  child.on('exit', (code) => {
    process.off('SIGTERM', stop);
    if (code === KILLED) supervise();
    else process.exit(code ?? 1);
  });
}

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: false });
  const [name] = process.argv.slice(2);
  if (name !== 'collector' && name !== 'reconciler') throw new Error(`expected collector or reconciler, not ${String(name)}`);
  const { ports, close } = await openPlane(config, name);
  const build = name === 'collector' ? buildCollector : buildReconciler;
  await runFunction({ config, logger: ports.logger, build: (http) => build(config, { ...arm(ports), http }), close });
}

type Built = Ports & { readonly http: HttpOptions };

function buildCollector(config: FunctionConfig, deps: Built): Express {
  const planeKey = config.require('planeKey');
  return createCollectorApp({
    ...deps,
    config: { policy: DEFAULT_POLICY },
    verifyHint: (hint) => verifyHint({ planeKey, ...hint, now: deps.clock.now() }),
  });
}

function buildReconciler(config: FunctionConfig, deps: Built): Express {
  const launcherUrl = config.require('launcherUrl').replace(/\/+$/, '');
  return createReconcilerApp({
    ...deps,
    config: { policy: DEFAULT_POLICY },
    timeBoxMs: 50_000,
    retentionDays: null,
    wakeLauncher: async () => {
      const response = await fetch(`${launcherUrl}/tick`, { method: 'POST' });
      await response.body?.cancel();
    },
  });
}

if (process.env['DYING_CHILD'] === undefined) supervise();
else main().catch(exitWithReason);
