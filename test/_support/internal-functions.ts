import type { ExecutionContext } from 'ava';
import type { ArtifactStore, JobRunner, RunObservation, RunOrder } from '#core/ports.ts';
import type { TestFunctions } from './functions.ts';
import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import { SILENT } from './functions.ts';
import { createCollectorApp } from '#functions/collector/app.ts';
import { createJobLauncherApp } from '#functions/job-launcher/app.ts';
import { createReconcilerApp } from '#functions/reconciler/app.ts';
import { serve } from '#functions/http/serve.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { verifyHint } from '#adapters/signing.ts';

export const PLANE_KEY = 'plane-key-of-a-test';

export interface InternalFunctions {
  readonly launcherUrl: string;
  readonly collectorUrl: string;
  readonly reconcilerUrl: string;
  readonly orders: RunOrder[];
}

/** A cluster that takes every order and never starts it: for tests of the doors, which the contract suite of runners does not need. */
function createIdleRunner(orders: RunOrder[]): JobRunner {
  const observe = (order: RunOrder): RunObservation => ({
    jobName: order.jobName,
    uid: `uid-${order.jobName}`,
    jobId: order.jobId,
    attempt: order.attempt,
    specHash: order.specHash,
    phase: 'waiting',
    alive: true,
    deleting: false,
    exitCode: null,
    failure: null,
    reason: 'waiting: idle',
    podName: null,
    startedAt: null,
    finishedAt: null,
    recorded: false,
  });
  const find = (jobName: string) => orders.find((order) => order.jobName === jobName);
  return {
    create: async (order) => {
      if (find(order.jobName) === undefined) orders.push(order);
      return observe(order);
    },
    observe: async (jobName) => {
      const order = find(jobName);
      return order === undefined ? null : observe(order);
    },
    list: async () => ({ items: orders.map(observe), cursor: null }),
    remove: async () => undefined,
    markRecorded: async () => undefined,
    describeNodes: async () => null,
  };
}

/** Launcher, collector and reconciler beside the public functions of a test, over the same ledger. */
export async function startInternalFunctions(
  t: ExecutionContext,
  functions: TestFunctions,
  options: { readonly retentionDays?: number; readonly artifacts?: ArtifactStore } = {},
): Promise<InternalFunctions> {
  const orders: RunOrder[] = [];
  const { store, http, lifecycle, sent } = functions;
  const artifacts = options.artifacts ?? functions.artifacts;
  const retentionDays = options.retentionDays ?? 90;
  const common = {
    http,
    store,
    artifacts,
    runner: createIdleRunner(orders),
    clock: systemClock,
    random: Math.random,
    logger: SILENT,
    sink: { send: async (event: (typeof sent)[number]) => void sent.push(event) },
  };
  const listen = async (app: Parameters<typeof serve>[0]) => {
    const serving = await serve(app, { port: 0, host: '127.0.0.1', lifecycle, logger: SILENT, graceMs: 5_000, close: [] });
    t.teardown(() => serving.stop());
    return serving.url;
  };
  const config = { cap: 10, launchLeaseMs: 60_000, concurrency: 4, policy: DEFAULT_POLICY };
  const launcherUrl = await listen(createJobLauncherApp({ ...common, hash: sha256Hex, makeToken: () => 'token', config }));
  const collectorUrl = await listen(
    createCollectorApp({ ...common, config, verifyHint: (hint) => verifyHint({ planeKey: PLANE_KEY, ...hint, now: new Date() }) }),
  );
  const wakeLauncher = async () => {
    const response = await fetch(`${launcherUrl}/tick`, { method: 'POST' });
    if (response.status !== 204) throw new Error(`the launcher answered ${response.status}`);
  };
  const reconcilerUrl = await listen(createReconcilerApp({ ...common, config, timeBoxMs: 10_000, retentionDays, wakeLauncher }));
  return { launcherUrl, collectorUrl, reconcilerUrl, orders };
}
