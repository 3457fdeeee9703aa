import type { HealthView, NodesView } from '#core/responses.ts';
import type { RequestContext } from '../http/app.ts';
import type { StatusDependencies } from './app.ts';
import { AgentError } from '#core/errors.ts';
import { sendJson } from '../http/app.ts';
import { waitMs } from '../http/lifecycle.ts';

const CHECK_TIMEOUT_MS = 5_000;

/** `GET /health`: 200 when the ledger answers, else 503 `degraded`. For people and monitors, never for probes. */
export async function showHealth(deps: StatusDependencies, { res }: RequestContext): Promise<void> {
  const [counts, storage, nodes] = await Promise.all([
    attempt(() => deps.store.countJobs(null)),
    attempt(() => deps.artifacts.ping().then(() => true)),
    attempt(async () => (await deps.runner?.describeNodes()) ?? null),
  ]);
  const word = (isHealthy: boolean) => (isHealthy ? 'healthy' : 'unhealthy');
  const body: HealthView = {
    status: counts !== null && storage !== null ? 'healthy' : 'degraded',
    timestamp: new Date().toISOString(),
    services: {
      api: 'healthy',
      database: word(counts !== null),
      storage: word(storage !== null),
      kubernetes: deps.runner === null ? 'not watched here' : word(nodes !== null),
    },
    cluster_info: nodes === null ? {} : { total_nodes: nodes.length, ready_nodes: nodes.filter((node) => node.status === 'Ready').length },
    pending_jobs: counts === null ? null : counts.pending,
    running_jobs: counts === null ? null : counts.running,
  };
  sendJson(res, counts === null ? 503 : 200, body);
}

async function attempt<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await Promise.race([work(), waitMs(CHECK_TIMEOUT_MS).then(() => null)]);
  } catch {
    return null;
  }
}

/** `GET /cluster/nodes`: capacity of the cluster, where this function may look at it. */
export async function showNodes(deps: StatusDependencies, { res }: RequestContext): Promise<void> {
  const nodes = (await deps.runner?.describeNodes()) ?? null;
  if (nodes === null) {
    const message = 'This installation does not let the status function look at the cluster. Ask "kubectl get nodes" instead.';
    throw new AgentError({ code: 'unavailable', status: 503, message, turn: 'operator' });
  }
  sendJson(res, 200, { total_nodes: nodes.length, nodes: nodes.map((node) => ({ ...node })) } satisfies NodesView);
}
