import { randomUUID } from 'node:crypto';
import { createHttpSink } from '#adapters/broker/http-sink.ts';
import { createKaggleClient } from '#adapters/kaggle/client.ts';
import { openArtifactStore } from '#adapters/storage/open.ts';
import { signHint } from '#adapters/signing.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import type { AgentConfig } from './config.ts';
import type { RunContext } from './context.ts';
import type { Sandbox } from './sandbox/sandbox.ts';
import { createRunnerSandbox } from './sandbox/runner-sandbox.ts';
import { openProcessSandbox } from './sandbox/process-sandbox.ts';
import { describeError } from './errors.ts';
import { loadRecipes } from './search/recipes.ts';
import { readAgentConfig } from './config.ts';
import { runAgent } from './run.ts';
import { startHarness } from './evaluate/harness-client.ts';

/** One attempt as a process: wires the adapters, runs, and ends with the protocol's exit code. */
async function main(): Promise<number> {
  const config = readAgentConfig(process.env);
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort(new Error(signal)));
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const { token } = config;
  return runAgent({
    spec: config.spec,
    store: await openArtifactStore(config.storageUrl, config.gcsEndpoint === null ? {} : { gcsEndpoint: config.gcsEndpoint }),
    sink: config.sinkUrl === null ? null : createHttpSink({ url: config.sinkUrl }),
    sign: token === null ? null : (eventId) => signHint(token, eventId),
    kaggle: createKaggleClient({ baseUrl: config.kaggleApiBase, credentials: config.credentials }),
    startHarness: ({ threads, onLog }) => startHarness({ python: config.python, threads, onLog }),
    sandbox: await openSandbox(config, print),
    recipes: await loadRecipes(),
    // Made once per process: a repeated claim is recognised by it.
    identity: { podUid: config.podUid ?? config.podName ?? `process-${process.pid}`, nonce: randomUUID() },
    podName: config.podName,
    clock: systemClock,
    signal: stop.signal,
    model: await openModel(config),
    ...describePlace(config),
    print,
    versions: { node: process.versions.node },
  });
}

/** The runner container where there is one, else children of this process. */
async function openSandbox({ runner, python }: AgentConfig, print: (line: string) => void): Promise<Sandbox> {
  if (runner !== null) return createRunnerSandbox({ socketPath: runner.socketPath, onNote: print });
  const { sandbox, problems } = await openProcessSandbox(python, { warm: true });
  if (problems.length > 0) print(`programs run without confinement: ${problems.join('; ')}`);
  return sandbox;
}

/** Its SDK is loaded only where there is a key. */
async function openModel({ claude }: AgentConfig): Promise<RunContext['model']> {
  if (claude === null) return null;
  const { createClaude } = await import('#adapters/claude/client.ts');
  const { apiKey, baseUrl, models } = claude;
  return { client: createClaude(baseUrl === null ? { apiKey } : { apiKey, baseUrl }), table: models };
}

function describePlace({ workDir, cacheDir, foldsAtOnce, workers, stagingMib, runner }: AgentConfig) {
  return { workDir, cacheDir, foldsAtOnce, workers, stagingMib, runsDir: runner?.runsDir ?? null };
}

main().then(
  (exitCode) => process.exit(exitCode),
  (error: unknown) => {
    process.stderr.write(`${describeError(error)}\n`);
    process.exit(1);
  },
);
