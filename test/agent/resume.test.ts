import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { ArtifactStore } from '#core/ports.ts';
import type { JobSpec } from '#core/job-spec.ts';
import type { JournalEntry } from '#agent/journal/entries.ts';
import { forEachLimited } from '#core/concurrency.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { runAgent } from '#agent/run.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import { wrapWrites } from '#agent/storing.ts';
import { createScriptedSandbox, FOLDS, makeAgentParams, makeSpec } from '../_support/agent-parts.ts';
import { makeStore, readEvents, readValidManifest } from '../_support/agent-store.ts';

const CHILD = fileURLToPath(new URL('./_crash-child.ts', import.meta.url));

function startChild(t: ExecutionContext, order: { dir: string; spec: JobSpec; killAfterWrite: number | null; stallInRun: number | null }) {
  const child = spawn(process.execPath, [CHILD], { env: { CRASH_ORDER: JSON.stringify(order) }, stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  return child;
}

/** Numbers of the solutions that an attempt finished, and the runs that it made. */
function finishedIn(entries: readonly JournalEntry[], attempt: number): number[] {
  return entries.flatMap((entry) =>
    entry.attempt === attempt && entry.fact.type === 'solution-finished' ? [entry.fact.report.number] : [],
  );
}

async function readRuns(dir: string, attempt: number): Promise<string[]> {
  const text = await readFile(join(dir, `runs-${attempt}.txt`), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '');
}

/** What must hold after attempt 2 went on where attempt 1 was killed, wherever that was. */
async function checkResumed(
  t: ExecutionContext,
  place: { dir: string; store: ArtifactStore; spec: JobSpec; title: string },
): Promise<void> {
  const { dir, store, spec, title } = place;
  const manifest = await readValidManifest(store, spec.jobId, 2);
  t.is(manifest.cv?.score, 2.75, title);
  t.is(manifest.quality, 'model', title);
  const { entries } = verifyJournal(await readSegments(store, spec.jobId));
  const before = finishedIn(entries, 1);
  const runs = await readRuns(dir, 2);
  for (const number of before.filter((one) => one >= 1 && one <= 3)) {
    t.false(
      runs.some((line) => line.includes(`recipe-${number}`)),
      `${title}: solution ${number} was finished and ran again`,
    );
  }
  t.is(new Set([...before, ...finishedIn(entries, 2)]).size >= 5, true, `${title}: baseline, three recipes and a blend`);
  const submissions = (await readFile(join(dir, 'kaggle.txt'), 'utf8')).trim().split('\n');
  t.is(submissions.length, 1, `${title}: sent to Kaggle once`);
}

test('an attempt killed after any of its writes is gone on with: same best, nothing finished runs again, one submission', async (t) => {
  t.timeout(300_000);
  const whole = await makeStore(t);
  let writes = 0;
  const counting = wrapWrites(whole.store, async ({ key, write }) => {
    if (!/\/(events|logs)\//.test(key)) writes += 1;
    return write();
  });
  t.is(await runAgent(await makeAgentParams(whole.dir, counting, { spec: makeSpec({ submitToKaggle: true }) })), 0);
  t.true(writes > 30, `${writes} writes`);
  const points = Array.from({ length: writes }, (_, index) => index + 1);
  await forEachLimited(points, 2, async (killAfterWrite) => {
    const { dir, store } = await makeStore(t);
    const spec = makeSpec({ submitToKaggle: true });
    const child = startChild(t, { dir, spec, killAfterWrite, stallInRun: null });
    const [, signal] = await once(child, 'exit');
    t.is(signal, 'SIGKILL', `killed after write ${killAfterWrite}`);
    const second = await makeAgentParams(dir, store, { spec: { ...spec, attempt: 2 } });
    t.is(await runAgent(second), 0, `attempt 2 after write ${killAfterWrite}`);
    await checkResumed(t, { dir, store, spec, title: `killed after write ${killAfterWrite}` });
  });
});

test('SIGTERM in the middle of a run ends with 75, and the next attempt goes on', async (t) => {
  const { dir, store } = await makeStore(t);
  const spec = makeSpec({ submitToKaggle: true });
  const child = startChild(t, { dir, spec, killAfterWrite: null, stallInRun: 5 });
  await once(child.stdout, 'data');
  const startMs = performance.now();
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  t.is(code, 75);
  t.true(performance.now() - startMs < 20_000);
  const exited = (await readEvents(store, spec.jobId, 1)).at(-1);
  t.true(exited?.type === 'exited' && exited.exitCode === 75 && exited.error?.code === 'stopped');
  const second = await makeAgentParams(dir, store, { spec: { ...spec, attempt: 2 } });
  t.is(await runAgent(second), 0);
  await checkResumed(t, { dir, store, spec, title: 'stopped' });
});

test('a program that an earlier attempt measured is still known: its score is looked at again', async (t) => {
  const { dir, store } = await makeStore(t);
  const spec = makeSpec();
  const child = startChild(t, { dir, spec, killAfterWrite: null, stallInRun: 2 * FOLDS + 1 });
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  await once(child, 'exit');
  const { entries } = verifyJournal(await readSegments(store, spec.jobId));
  t.deepEqual(finishedIn(entries, 1), [0, 1, 2], 'the second recipe is the best one');
  t.is(await runAgent(await makeAgentParams(dir, store, { spec: { ...spec, attempt: 2 } })), 0);
  const probes = (await readRuns(dir, 2)).filter((line) => line === 'probe');
  t.deepEqual(probes, ['probe']);
});

test('a solution during which two attempts died is not run a third time', async (t) => {
  const { dir, store } = await makeStore(t);
  const spec = makeSpec();
  for (const attempt of [1, 2]) {
    const child = startChild(t, { dir, spec: { ...spec, attempt }, killAfterWrite: null, stallInRun: 1 });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  t.is(await runAgent(await makeAgentParams(dir, store, { spec: { ...spec, attempt: 3 } })), 0);
  t.false((await readRuns(dir, 3)).some((line) => line.includes('recipe-1')));
  const said = (await readEvents(store, spec.jobId, 3)).flatMap((event) =>
    event.type === 'progressed' && event.solution ? [event.solution] : [],
  );
  t.regex(said.find((solution) => solution.number === 1 && solution.state === 'failed')?.failure ?? '', /2 attempts ended while it ran/);
  t.is((await readValidManifest(store, spec.jobId, 3)).cv?.score, 2.75);
});

test('a zombie that is still at work when the next attempt takes the journal over writes no result', async (t) => {
  const { dir, store } = await makeStore(t);
  const spec = makeSpec();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  let stalled = (): void => undefined;
  const atWork = new Promise<void>((resolve) => {
    stalled = resolve;
  });
  const sandbox = createScriptedSandbox(join(dir, 'runs-1.txt'), async () => {
    stalled();
    await held;
    return null;
  });
  const zombie = runAgent(await makeAgentParams(dir, store, { spec, sandbox }));
  await atWork;
  t.is(await runAgent(await makeAgentParams(dir, store, { spec: { ...spec, attempt: 2 } })), 0);
  release();
  t.is(await zombie, 76);
  await t.throwsAsync(readValidManifest(store, spec.jobId, 1), { message: /no manifest/ });
  t.is((await readValidManifest(store, spec.jobId, 2)).cv?.score, 2.75);
  const { entries } = verifyJournal(await readSegments(store, spec.jobId));
  t.is(entries.at(-1)?.attempt, 2);
});

test('files that changed between attempts set the earlier solutions aside', async (t) => {
  const { dir, store } = await makeStore(t);
  const spec = makeSpec();
  const child = startChild(t, { dir, spec, killAfterWrite: null, stallInRun: 5 });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const params = await makeAgentParams(dir, store, { spec: { ...spec, attempt: 2 } });
  const kaggle: typeof params.kaggle = {
    ...params.kaggle,
    listFiles: async () => [{ name: 'train.csv', bytes: 11, createdAt: null }],
    unpack: async (_path, to) => {
      await mkdir(to, { recursive: true });
      await writeFile(join(to, 'train.csv'), 'id,x,y\n1,2,4\n');
      return [{ path: 'train.csv', bytes: 13 }];
    },
  };
  t.is(await runAgent({ ...params, kaggle }), 0);
  const manifest = await readValidManifest(store, spec.jobId, 2);
  t.true(manifest.notes.some((note) => note.includes('files changed')));
  t.true((await readRuns(dir, 2)).some((line) => line.includes('recipe-1')));
});
