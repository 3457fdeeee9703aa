import { lutimes, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import type { AttemptPolicy } from '#core/attempt-policy.ts';
import type { Job } from '#core/job.ts';
import { keys } from '#core/names.ts';
import type { ArtifactStore, AttemptWithJob, JobStore } from '#core/ports.ts';
import type { AgentEvent, BestRecord, Manifest } from '#core/report.ts';
import { collectAttempt } from '#core/use-cases/collect.ts';
import { launchJobs } from '#core/use-cases/launch.ts';
import { openLedgerDatabase } from '#test/_support/ledger-database.ts';
import type { LedgerDatabase } from '#test/_support/ledger-database.ts';
import { addJob } from '#test/_support/ledger.ts';
import { ScriptedCluster } from './_scripted-cluster.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What the use cases run on: a real ledger, a real directory, and a cluster that says what the test wants it to. */
export interface UseCasePlane {
  readonly database: LedgerDatabase;
  readonly store: JobStore;
  readonly artifacts: ArtifactStore;
  readonly cluster: ScriptedCluster;
  readonly launch: (changes?: Partial<Parameters<typeof launchJobs>[0]>) => ReturnType<typeof launchJobs>;
  readonly collectDeps: Parameters<typeof collectAttempt>[0];
  readonly collect: (job: Pick<Job, 'id'>, number?: number) => ReturnType<typeof collectAttempt>;
  /** A job whose first attempt is in the cluster and waits. */
  readonly addLaunched: () => Promise<Job>;
  /** A job whose first attempt has started, said so, and runs. */
  readonly addRunning: () => Promise<Job>;
  /** The attempt with its job, which must be there. */
  readonly read: (job: Pick<Job, 'id'>, number?: number) => Promise<AttemptWithJob>;
  /** Stores what an attempt says; the ledger learns of it when somebody looks. */
  readonly say: (job: Pick<Job, 'id'>, event: AgentEvent, number?: number) => Promise<void>;
  readonly takeClaim: (job: Pick<Job, 'id'>, number?: number) => Promise<void>;
  /** Stores a submission, and a manifest that names it; `age` = how long ago it was written. */
  readonly writeManifest: (job: Pick<Job, 'id'>, changes?: Partial<Manifest>, ageMs?: number) => Promise<void>;
  readonly writeBest: (job: Pick<Job, 'id'>, seq: number, changes?: Partial<BestRecord>) => Promise<void>;
  /** Time passes for one attempt, as the ledger sees it. */
  readonly age: (job: Pick<Job, 'id'>, column: 'launched_at' | 'last_event_at' | 'ended_at' | 'lease_until', ms: number) => Promise<void>;
}

export const POLICY: AttemptPolicy = DEFAULT_POLICY;
export const SUBMISSION = 'id,target\n1,0\n';

const OUTCOME = {
  quality: 'model',
  metric: 'auc',
  direction: 'maximize',
  metricIsProxy: false,
  cv: { score: 0.8, low: 0.7, high: 0.9 },
  bestSolution: 1,
  solutions: 2,
  firstValidSeconds: 1,
  seconds: 10,
  resources: null,
  notes: [],
} as const;

export async function openPlane(t: ExecutionContext): Promise<UseCasePlane> {
  const root = await mkdtemp(join(tmpdir(), 'ka-use-cases-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const database = await openLedgerDatabase(t);
  const { store } = database;
  const artifacts = createDirectoryStore({ root, durable: false });
  const cluster = new ScriptedCluster();
  const common = { store, runner: cluster, artifacts, clock: systemClock, random: () => 0.5, logger: SILENT };
  const collectDeps = { ...common, config: { policy: POLICY } };
  const launch: UseCasePlane['launch'] = (changes) =>
    launchJobs({
      ...common,
      hash: sha256Hex,
      makeToken: (jobId, attempt) => `token of ${jobId} ${attempt}`,
      config: { cap: 10, launchLeaseMs: 60_000, concurrency: 4, policy: POLICY },
      ...changes,
    });
  const read: UseCasePlane['read'] = async ({ id }, number = 1) => {
    const found = await store.getAttempt(id, number);
    if (found === null) throw new Error(`job ${id} has no attempt ${number}`);
    return found;
  };
  const create = async (key: string, body: string) => void (await artifacts.createObject(key, body, 'application/json'));
  const say: UseCasePlane['say'] = ({ id }, event, number = 1) => create(keys.event(id, number, event.seq), JSON.stringify(event));
  const takeClaim: UseCasePlane['takeClaim'] = ({ id }, number = 1) =>
    create(keys.claim(id, number), JSON.stringify({ by: 'agent', attempt: number, podUid: 'pod', nonce: 'n' }));
  const collect: UseCasePlane['collect'] = ({ id }, number = 1) => collectAttempt(collectDeps, { jobId: id, number });
  const addLaunched = async () => {
    const { id } = await addJob(store);
    await launch();
    return (await read({ id })).job;
  };
  return {
    database,
    store,
    artifacts,
    cluster,
    launch,
    collectDeps,
    collect,
    addLaunched,
    addRunning: async () => {
      const job = await addLaunched();
      await takeClaim(job);
      await say(job, { type: 'started', seq: 1, at: new Date().toISOString(), podName: 'pod' });
      cluster.change(job.jobName, { phase: 'running' });
      await collect(job);
      return (await read(job)).job;
    },
    read,
    say,
    takeClaim,
    writeManifest: async ({ id }, changes = {}, ageMs = 0) => {
      const file = describeFile(keys.file(id, 1, 'submission.csv'));
      await create(file.key, SUBMISSION);
      const manifest = { schemaVersion: 1, jobId: id, attempt: 1, ...OUTCOME, leaderboard: null, files: [file], ...changes };
      const key = keys.manifest(id, 1);
      await create(key, JSON.stringify({ journal: { lastSeq: 1, hash: 'h' }, ...manifest }));
      const written = new Date(Date.now() - ageMs);
      await lutimes(join(root, 'keys', key), written, written);
    },
    writeBest: async ({ id }, seq, changes = {}) => {
      const file = describeFile(keys.bestFile(id, 1, seq));
      await create(file.key, SUBMISSION);
      await create(keys.best(id, 1, seq), JSON.stringify({ schemaVersion: 1, jobId: id, attempt: 1, seq, ...OUTCOME, file, ...changes }));
    },
    age: async ({ id }, column, ms) =>
      void (await database.admin.query(`UPDATE attempts SET ${column} = now() - $2 * interval '1 ms' WHERE job_id = $1`, [id, ms])),
  };
}

function describeFile(key: string): Manifest['files'][number] {
  return { name: 'submission.csv', key, sha256: sha256Hex(SUBMISSION), bytes: SUBMISSION.length, contentType: 'text/csv' };
}

/** The store, or whatever it is, with `work` done once, just before the first call of one method: another's step in between two of ours. */
export function interrupt<Port extends object>(port: Port, method: keyof Port, work: () => Promise<unknown>, times = 1): Port {
  let left = times;
  return new Proxy(port, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      if (name !== method) return value.bind(target);
      return async (...args: unknown[]) => {
        left -= 1;
        if (left >= 0) await work();
        return value.apply(target, args);
      };
    },
  });
}
