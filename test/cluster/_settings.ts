import { z } from 'zod';
import { waitUntil } from '#test/_support/wait-until.ts';
import { kubectl } from './_kubectl.ts';
import { requireSetting } from './_harness.ts';

const PATIENCE_MS = 180_000;
const OLD_REVISION_MS = 120_000;
const GENTLE_MS = 60_000;
const NEVER = '0 0 30 2 *';
const EVERY_MINUTE = '* * * * *';
const Container = z.object({
  image: z.string(),
  command: z.array(z.string()).optional(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })),
});
const KnativeService = z.object({
  metadata: z.object({ generation: z.number() }),
  spec: z.object({ template: z.object({ spec: z.object({ containers: z.array(Container).length(1) }) }) }),
  status: z
    .object({
      observedGeneration: z.number().default(0),
      latestCreatedRevisionName: z.string().optional(),
      latestReadyRevisionName: z.string().optional(),
    })
    .default({ observedGeneration: 0 }),
});
const Ready = z.object({ status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]) }) });

async function readService(name: string): Promise<z.infer<typeof KnativeService>> {
  return KnativeService.parse(
    JSON.parse(await kubectl(['get', 'services.serving.knative.dev', name, '--namespace', 'plane', '--output', 'json'])),
  );
}

/** Changes image, command or variables of a function, and waits until its new revision serves. Returns what undoes it. */
export async function changeFunction(
  name: string,
  change: { readonly image?: string; readonly command?: readonly string[]; readonly env?: Readonly<Record<string, string>> },
): Promise<() => Promise<void>> {
  const [before] = (await readService(name)).spec.template.spec.containers;
  if (before === undefined) throw new Error(`${name} has no container`);
  const place = '/spec/template/spec/containers/0';
  const env = Object.entries(change.env ?? {});
  const operations = [
    ...(change.image === undefined ? [] : [{ op: 'replace', path: `${place}/image`, value: change.image }]),
    ...(change.command === undefined ? [] : [{ op: 'replace', path: `${place}/command`, value: change.command }]),
    ...env.map(([key, value]) => {
      const index = before.env.findIndex((each) => each.name === key);
      if (index === -1) throw new Error(`${name} has no variable ${key}`);
      return { op: 'replace', path: `${place}/env/${index}/value`, value };
    }),
  ];
  await patchService(name, operations);
  return async () => {
    const values = env.map(([key]) => [key, before.env.find((each) => each.name === key)?.value ?? '']);
    await changeFunction(name, { image: before.image, command: before.command ?? [], env: Object.fromEntries(values) });
  };
}

async function patchService(name: string, operations: readonly unknown[]): Promise<void> {
  const target = ['services.serving.knative.dev', name, '--namespace', 'plane'];
  await kubectl(['patch', ...target, '--type', 'json', '--patch', JSON.stringify(operations)]);
  const isServing = async () => {
    const { metadata, status } = await readService(name);
    const isSeen = status.observedGeneration === metadata.generation;
    return isSeen && status.latestCreatedRevisionName !== undefined && status.latestCreatedRevisionName === status.latestReadyRevisionName;
  };
  await waitUntil(`the new revision of ${name}`, isServing, PATIENCE_MS);
  // A pod of the old revision may still answer what was sent to it before.
  const latest = (await readService(name)).status.latestCreatedRevisionName ?? '';
  const selector = `serving.knative.dev/service=${name},serving.knative.dev/revision!=${latest}`;
  const isAlone = async () =>
    (await kubectl(['get', 'pods', '--namespace', 'plane', '--selector', selector, '--output', 'name'])).trim() === '';
  const gone = `the old revision of ${name} to be gone`;
  // Knative takes it to zero by itself, unless its pods die so often that nobody can tell how busy they are: then it is taken away.
  const isGoneWithin = (timeoutMs: number, ask: () => Promise<boolean>) => waitUntil(gone, ask, timeoutMs).catch(() => false);
  if (await isGoneWithin(OLD_REVISION_MS, isAlone)) return;
  const takeAway = async (grace: readonly string[]) => {
    await deleteOldRevisions(name, latest);
    // Not left to the garbage collector, which may be minutes late on a busy node while each Deployment makes its pods again.
    await kubectl(['delete', 'deployments,replicasets', '--namespace', 'plane', '--selector', selector, '--wait=false']);
    await kubectl(['delete', 'pods', '--namespace', 'plane', '--selector', selector, '--wait=false', ...grace]);
    return isAlone();
  };
  if (await isGoneWithin(GENTLE_MS, () => takeAway(['--grace-period=5']))) return;
  const left = await kubectl(['get', 'pods', '--namespace', 'plane', '--selector', selector, '--output', 'wide']);
  await waitUntil(`${gone}, of which was left:\n${left}`, () => takeAway(['--grace-period=0', '--force']), PATIENCE_MS);
}

async function deleteOldRevisions(name: string, latest: string): Promise<void> {
  const kind = 'revisions.serving.knative.dev';
  const listed = await kubectl([
    'get',
    kind,
    '--namespace',
    'plane',
    '--selector',
    `serving.knative.dev/service=${name}`,
    '--output',
    'name',
  ]);
  const old = listed.split('\n').filter((line) => line !== '' && !line.endsWith(`/${latest}`));
  if (old.length > 0) await kubectl(['delete', ...old, '--namespace', 'plane', '--wait=false', '--ignore-not-found']);
}

/** Changes the pods of attempts, and gives the launcher a new revision, so that it reads them anew. */
export async function changePods(settings: Readonly<Record<string, unknown>>): Promise<void> {
  const read = z.object({ data: z.record(z.string(), z.string()) });
  const { data } = read.parse(JSON.parse(await kubectl(['get', 'configmap', 'pod-settings', '--namespace', 'plane', '--output', 'json'])));
  const pod = { ...z.record(z.string(), z.unknown()).parse(JSON.parse(data['pod.json'] ?? '{}')), ...settings };
  const patch = JSON.stringify({ data: { 'pod.json': JSON.stringify(pod) } });
  await kubectl(['patch', 'configmap', 'pod-settings', '--namespace', 'plane', '--type', 'merge', '--patch', patch]);
  const stamp = [{ op: 'add', path: '/spec/template/metadata/annotations/kaggle-agent.dev~1settings', value: String(Date.now()) }];
  await patchService('job-launcher', stamp);
}

/** From now on attempts are the stub of the test image, at most `cap` at a time. */
export async function useStubAgent(cap: number): Promise<void> {
  await changePods({ agentResources: { cpuMillis: 20, memoryMib: 64 }, scratchMib: 64, graceS: 5 });
  await changeFunction('job-launcher', {
    env: { KAGGLE_AGENT_AGENT_IMAGE: requireSetting('KAGGLE_AGENT_TEST_AGENT_IMAGE'), KAGGLE_AGENT_CAP: String(cap) },
  });
}

/** Switches the ticks off or on; with them off, whatever happens is the doing of events. */
export async function setTicks(on: boolean): Promise<void> {
  const patch = JSON.stringify({ spec: { schedule: on ? EVERY_MINUTE : NEVER } });
  await kubectl(['patch', 'pingsources.sources.knative.dev', 'tick', '--namespace', 'plane', '--type', 'merge', '--patch', patch]);
  const isReady = async () => {
    const text = await kubectl(['get', 'pingsources.sources.knative.dev', 'tick', '--namespace', 'plane', '--output', 'json']);
    return Ready.parse(JSON.parse(text)).status.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  };
  await waitUntil('the tick to be ready', isReady, PATIENCE_MS);
}

/** Sets one limit of the attempts' quota. Returns what undoes it. */
export async function changeQuota(resource: string, value: string): Promise<() => Promise<void>> {
  const read = z.object({ spec: z.object({ hard: z.record(z.string(), z.string()) }) });
  const { spec } = read.parse(JSON.parse(await kubectl(['get', 'resourcequota', 'attempts', '--namespace', 'runs', '--output', 'json'])));
  const set = async (hard: string | undefined) => {
    const patch = JSON.stringify({ spec: { hard: { [resource]: hard } } });
    await kubectl(['patch', 'resourcequota', 'attempts', '--namespace', 'runs', '--type', 'merge', '--patch', patch]);
  };
  await set(value);
  return () => set(spec.hard[resource]);
}
