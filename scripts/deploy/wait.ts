import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Kubectl } from './kubectl.ts';
import type { Readiness } from './readiness.ts';
import { DeployRefusal } from './kubectl.ts';
import { WatchedObject, judgeReadiness } from './readiness.ts';

const KINDS = [
  'deployments.apps',
  'jobs.batch',
  'services.serving.knative.dev',
  'brokers.eventing.knative.dev',
  'triggers.eventing.knative.dev',
  'apiserversources.sources.knative.dev',
  'pingsources.sources.knative.dev',
].join(',');
/** Not the Deployments that Knative makes for its revisions: their Service speaks for them. */
const SELECTOR = 'app.kubernetes.io/name=kaggle-agent,!serving.knative.dev/service';
const POLL_MS = 1000;

const ObjectList = z.object({ items: z.array(WatchedObject) });

/**
 * Waits until everything of namespace `plane` is ready, telling each change in one line, and returns the addresses of the functions. Throws
 * DeployRefusal when something failed for good or the time is over, naming what is not ready and where to look.
 */
export async function waitUntilReady(
  kubectl: Kubectl,
  params: { readonly timeoutMs: number; readonly log: (line: string) => void },
): Promise<ReadonlyMap<string, string>> {
  const deadline = performance.now() + params.timeoutMs;
  const told = new Map<string, string>();
  for (;;) {
    const objects = await listObjects(kubectl);
    const judged = objects.map((object) => ({ title: `${object.kind} ${object.metadata.name}`, ...judgeReadiness(object) }));
    for (const { title, reason } of judged) {
      if (told.get(title) !== reason) params.log(`${title}: ${reason}`);
      told.set(title, reason);
    }
    const failed = judged.find(({ state }) => state === 'failed');
    if (failed !== undefined) throw new DeployRefusal(`${failed.title} failed: ${failed.reason}. ${whereToLook(failed.title)}`);
    const open = judged.filter(({ state }) => state !== 'ready');
    if (objects.length > 0 && open.length === 0) return readAddresses(objects);
    if (performance.now() > deadline) throw new DeployRefusal(describeDelay(open, params.timeoutMs));
    await pause(POLL_MS);
  }
}

async function listObjects(kubectl: Kubectl): Promise<WatchedObject[]> {
  const text = await kubectl.run(['get', KINDS, '--namespace', 'plane', '--selector', SELECTOR, '--output', 'json']);
  return ObjectList.parse(JSON.parse(text)).items;
}

function readAddresses(objects: readonly WatchedObject[]): ReadonlyMap<string, string> {
  return new Map(
    objects.flatMap(({ kind, metadata, status }) => (kind === 'Service' && status.url !== undefined ? [[metadata.name, status.url]] : [])),
  );
}

function describeDelay(open: readonly ({ readonly title: string } & Readiness)[], timeoutMs: number): string {
  const lines = open.map(({ title, reason }) => `  ${title}: ${reason}`);
  return `Not ready after ${timeoutMs / 1000} s:\n${lines.join('\n')}\n${whereToLook(open[0]?.title ?? '')} Deploying again does no harm.`;
}

function whereToLook(title: string): string {
  const name = title.split(' ')[1] ?? '';
  return title.startsWith('Job ') ? `Look: kubectl logs --namespace plane job/${name}` : 'Look: kubectl get pods --namespace plane';
}
