import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Sandbox } from '#agent/sandbox/sandbox.ts';
import { HarnessFailure } from '#agent/harness-port.ts';
import { runAgent } from '#agent/run.ts';
import { createScriptedHarness, createScriptedSandbox, makeAgentParams, makeRecipes } from '../_support/agent-parts.ts';
import { makeStore, readResultFile, readValidManifest } from '../_support/agent-store.ts';

test('a suspect solution is neither the best nor part of the blend, and the result says why', async (t) => {
  const { dir, store } = await makeStore(t);
  const real = createScriptedHarness(join(dir, 'harness'));
  const asked: (readonly number[])[] = [];
  const harness: typeof real = {
    ...real,
    call: async (method, params, options) => {
      if ('members' in params) asked.push(params.members);
      if ('candidates' in params) asked.push(params.candidates);
      const reply = await real.call(method, params, options);
      const isSecond = method === 'finish_solution' && 'solution' in params && params.solution === 2;
      return isSecond ? { ...reply, trust: { verdict: 'suspect', reasons: ['it knows the answers'] } } : reply;
    },
  };
  const params = await makeAgentParams(dir, store, { startHarness: () => harness });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.not(manifest.bestSolution, 2);
  t.deepEqual(manifest.trust, { verdict: 'verified', reasons: [] });
  t.true(manifest.notes.some((note) => /^Solution 2 .* is suspect and can't be the best: it knows the answers$/.test(note)));
  t.true(asked.length > 0 && asked.every((numbers) => !numbers.includes(2)), JSON.stringify(asked));
});

/** A sandbox whose runs answer like the scripted one's, and say that they took long. */
const createSlowSandbox = (dir: string, seconds: number): Sandbox =>
  createScriptedSandbox(join(dir, 'runs.txt'), async ({ paramsFile, outDir }) => {
    const { score } = JSON.parse(await readFile(paramsFile, 'utf8')) as { score: number };
    await writeFile(join(outDir, 'score.txt'), String(score));
    return { exitClass: 'ok', exitCode: 0, seconds, peakMemoryMib: 1, tail: '', frame: null };
  });

for (const [seconds, best, words] of [
  [0.01, 3, 'probed'],
  [18, 1, 'without time for it'],
] as const) {
  test(`a generated program is the best, or blended, only after its probes: ${words}`, async (t) => {
    const { dir, store } = await makeStore(t);
    const blended: (readonly number[])[] = [];
    const harness = createScriptedHarness(join(dir, 'harness'));
    const watched: typeof harness = {
      ...harness,
      call: async (method, params, options) => {
        if ('members' in params) blended.push(params.members);
        const reply = await harness.call(method, params, options);
        if (method !== 'judge_probes') return reply;
        const names = ['holds with other ids and another seed', 'learns what it is given'];
        return { ...reply, checks: names.map((name) => ({ name, ok: true, weight: 'suspect' as const, detail: '' })) };
      },
    };
    const [ours, theirs] = await makeRecipes(join(dir, 'recipes'), [5, 3]);
    if (ours === undefined || theirs === undefined) return t.fail();
    const recipes = [ours, { ...theirs, origin: 'generated' as const }];
    const sandbox = createSlowSandbox(dir, seconds);
    const params = await makeAgentParams(dir, store, { startHarness: () => watched, recipes, sandbox });
    t.is(await runAgent(params), 0);
    const manifest = await readValidManifest(store, params.spec.jobId, 1);
    t.is(manifest.bestSolution, best, JSON.stringify(manifest.notes));
    t.deepEqual(blended, best === 1 ? [] : [[1, 2]]);
    t.is(manifest.notes.filter((note) => note.startsWith('Solution 2 was not probed, for lack of time')).length > 0, best === 1);
  });
}

test('a best that its probe makes suspect gives its place, and its file, to the next', async (t) => {
  const { dir, store } = await makeStore(t);
  const harness = createScriptedHarness(join(dir, 'harness'));
  const doubting: typeof harness = {
    ...harness,
    call: async (method, params, options) => {
      const reply = await harness.call(method, params, options);
      return method === 'judge_probes' ? { ...reply, trust: { verdict: 'suspect', reasons: ['it hangs on the ids'] } } : reply;
    },
  };
  const recipes = await makeRecipes(join(dir, 'recipes'), [5, 3]);
  const params = await makeAgentParams(dir, store, { recipes, startHarness: () => doubting });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.bestSolution, 1);
  t.is(await readResultFile(store, params.spec, 'submission.csv'), 'id,y\n1,5\n');
  t.true(manifest.notes.some((note) => note.startsWith('Solution 2 ') && note.includes('it hangs on the ids')));
});

test('generated programs are refused where the sandbox was not tried, and where they carry answers', async (t) => {
  const { dir, store } = await makeStore(t);
  const [recipe] = await makeRecipes(join(dir, 'recipes'), [3]);
  if (recipe === undefined) return t.fail();
  const recipes = [{ ...recipe, origin: 'generated' as const }];
  const open = createScriptedSandbox(join(dir, 'runs.txt'));
  const untried: Sandbox = { ...open, generatedCode: { accepted: false, reason: 'no self-test' } };
  const first = await makeAgentParams(dir, store, { recipes, sandbox: untried });
  t.is(await runAgent(first), 0);
  const { notes } = await readValidManifest(store, first.spec.jobId, 1);
  t.true(
    notes.some((note) => note.includes('generated code is not run here: no self-test')),
    JSON.stringify(notes),
  );
  const harness = createScriptedHarness(join(dir, 'harness'));
  const refusing: typeof harness = {
    ...harness,
    call: async (method, params, options) => {
      const reply = await harness.call(method, params, options);
      return method === 'check_program' ? { ...reply, reason: 'it names 9 ids' } : reply;
    },
  };
  const second = await makeAgentParams(dir, store, { recipes, sandbox: open, startHarness: () => refusing });
  t.is(await runAgent(second), 0);
  const manifest = await readValidManifest(store, second.spec.jobId, 1);
  t.true(
    manifest.notes.some((note) => note.includes('the program is refused: it names 9 ids')),
    JSON.stringify(manifest.notes),
  );
  t.is(manifest.quality, 'fallback');
  await t.throwsAsync(readFile(join(dir, 'runs.txt')), { code: 'ENOENT' });
});

test('a score that cannot be expected leaves the result without it', async (t) => {
  const { dir, store } = await makeStore(t);
  const onCall = (method: string): void => {
    if (method === 'expect_score') throw new HarnessFailure('bug', 'a fault of ours');
  };
  const params = await makeAgentParams(dir, store, { startHarness: () => createScriptedHarness(join(dir, 'harness'), onCall) });
  t.is(await runAgent(params), 0);
  t.is((await readValidManifest(store, params.spec.jobId, 1)).expected, null);
});
