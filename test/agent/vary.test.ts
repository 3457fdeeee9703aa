import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { verifyJournal } from '#agent/journal/chain.ts';
import { readSegments } from '#agent/journal/journal.ts';
import type { AgentParams } from '#agent/run.ts';
import { runAgent } from '#agent/run.ts';
import { wrapWrites } from '#agent/storing.ts';
import { keys } from '#core/names.ts';
import { createScriptedHarness, FOLDS, makeAgentParams, makeRecipes, makeSpec, PROFILE } from '#test/_support/agent-parts.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { makeStore, readValidManifest } from '#test/_support/agent-store.ts';

/** Recipes of scores 5, 3 and 4 (lower is better); the score of the second may be anything from 2 to 4. */
async function makeSearcher(t: ExecutionContext): Promise<{ params: AgentParams; dir: string }> {
  const { dir, store } = await makeStore(t);
  const [first, second, third] = await makeRecipes(join(dir, 'recipes'), [5, 3, 4]);
  if (first === undefined || second === undefined || third === undefined) throw new Error('three recipes are made');
  const recipes = [first, { ...second, space: { score: { low: 2, high: 4, scale: 'linear' as const, whole: false } } }, third];
  return { params: await makeAgentParams(dir, store, { recipes }), dir };
}

/** A clock that counts the runs alone, each as so many milliseconds. */
function countRuns({ clock, sandbox }: AgentParams, runMs: number): Pick<AgentParams, 'clock' | 'sandbox'> {
  let ms = 0;
  const run: AgentParams['sandbox']['run'] = async (order) => {
    ms += runMs;
    return sandbox.run(order);
  };
  return { clock: { ...clock, monotonicMs: () => ms }, sandbox: { ...sandbox, run } };
}

async function readSolutions({ store, spec }: AgentParams) {
  const { entries } = verifyJournal(await readSegments(store, spec.jobId));
  const ended = entries.flatMap(({ fact }) => (fact.type === 'solution-finished' ? [[fact.report.number, fact.report] as const] : []));
  return [...new Map(ended).values()];
}

test('while there is time, settings of the best recipes are tried: one that begins worse is given up, a better one becomes the best', async (t) => {
  const { params, dir } = await makeSearcher(t);
  t.is(await runAgent(params), 0);
  const solutions = await readSolutions(params);
  const settings = solutions.filter(({ title }) => title.startsWith('Recipe 2, setting'));
  const scores = settings.map(({ score }) => score?.score ?? Infinity);
  const records = scores.flatMap((score, index) => (score < Math.min(3, ...scores.slice(0, index)) ? [index] : []));
  t.is(settings.length, (records.at(-1) ?? -1) + 1 + 8, 'eight in a row were no better');
  const [graded, left] = [settings.filter(({ state }) => state === 'valid'), settings.filter(({ state }) => state === 'failed')];
  t.true(graded.length > 2 && left.length > 2, `${graded.length} and ${left.length}`);
  t.true(graded.every(({ score }) => (score?.score ?? 9) <= 3 * 1.01));
  t.true(left.every(({ failure }) => /^given up: fold 0 scores \d/.test(failure ?? '')));
  const best = Math.min(...graded.map(({ score }) => score?.score ?? 9));
  const manifest = await readValidManifest(params.store, params.spec.jobId, 1);
  t.true((manifest.cv?.score ?? 9) < best + 1e-9);
  const runs = (await readFile(join(dir, 'runs-1.txt'), 'utf8')).trim().split('\n');
  t.is(runs.filter((line) => line.includes('recipe-2')).length, 3 + 3 * graded.length + left.length, 'one fold of what is given up');
});

test('an attempt that ends in the middle is gone on with: the same settings, and none that was measured runs again', async (t) => {
  const { params, dir } = await makeSearcher(t);
  t.is(await runAgent(params), 0);
  const whole = (await readSolutions(params)).map(({ number, title, state, score }) => [number, title, state, score?.score]);
  const again = { ...params, spec: makeSpec(), store: (await makeStore(t)).store };
  let finished = 0;
  const dying = wrapWrites(again.store, async ({ key, write }) => {
    if (finished >= 12) throw new Error('dead');
    if (key.includes('/state/')) finished += 1;
    return write();
  });
  await runAgent({ ...again, store: dying });
  const before = (await readSolutions(again)).length;
  const next = { ...(await makeAgentParams(dir, again.store, { recipes: params.recipes })), workDir: join(dir, 'work-next') };
  const second = { ...next, spec: { ...again.spec, attempt: 2 }, identity: { podUid: 'next', nonce: 'next' }, podName: 'next' };
  t.is(await runAgent(second), 0);
  t.deepEqual(
    (await readSolutions(again)).map(({ number, title, state, score }) => [number, title, state, score?.score]),
    whole,
  );
  t.true(before > 8 && before < whole.length);
});

test('the search of settings leaves time for a stack, and takes what is left after it', async (t) => {
  const { dir, store } = await makeStore(t);
  const [first, second, third, stack] = await makeRecipes(join(dir, 'recipes'), [5, 3, 4, 1]);
  if (first === undefined || second === undefined || third === undefined || stack === undefined) throw new Error('four recipes are made');
  // A parameter that changes nothing by itself: what a setting scores is said below.
  const space = { shrink: { low: 0, high: 1, scale: 'linear' as const, whole: false } };
  let ms = 0;
  const clock = { ...systemClock, monotonicMs: () => ms };
  const { sandbox } = (await makeSearcher(t)).params;
  let lastScore = 3;
  const run: AgentParams['sandbox']['run'] = async (order) => {
    const params = JSON.parse(await readFile(order.paramsFile, 'utf8')) as { shrink?: number };
    const isSetting = params.shrink !== undefined && !order.trainDir.includes('rebuild');
    ms += isSetting ? 900 : 50;
    const outcome = await sandbox.run(order);
    // Each a little better than all before.
    if (isSetting) await writeFile(join(order.outDir, 'score.txt'), String((lastScore -= 0.001)));
    return outcome;
  };
  const params = await makeAgentParams(dir, store, {
    recipes: [first, { ...second, space }, third, { ...stack, kind: 'stack', title: 'Stack of recipes' }],
    clock,
    sandbox: { ...sandbox, run },
    startHarness: () => createScriptedHarness(join(dir, 'harness'), undefined, { profile: { ...PROFILE, train_rows: 2_500 } }),
  });
  t.is(await runAgent(params), 0);
  const kinds = (await readSolutions(params)).map(({ kind, title }) => (title.includes('setting') ? 'setting' : kind));
  const at = kinds.indexOf('stack');
  t.true(at > 0, kinds.join(' '));
  t.true(kinds.slice(0, at).filter((kind) => kind === 'setting').length > 8, kinds.join(' '));
  t.true(kinds.slice(at).includes('setting'), kinds.join(' '));
});

test('a recipe that would take too long, by what one like it took, is left out for those that fit', async (t) => {
  const { dir, store } = await makeStore(t);
  const { params } = await makeSearcher(t);
  const [first, second, third] = await makeRecipes(join(dir, 'recipes'), [5, 3, 4]);
  if (first === undefined || second === undefined || third === undefined) throw new Error('three recipes are made');
  const { clock, sandbox } = countRuns(params, 2_000);
  const like = (times: number) => ({ costLike: { recipe: first.name, times } });
  const tryBoth = async (times: number) => {
    const recipes = [first, { ...second, ...like(times) }, third];
    const tried = await makeAgentParams(dir, store, { recipes, clock, sandbox, spec: makeSpec() });
    t.is(await runAgent(tried), 0);
    const { notes } = await readValidManifest(store, tried.spec.jobId, 1);
    return { titles: (await readSolutions(tried)).map(({ title }) => title), notes };
  };
  const left = await tryBoth(20);
  t.false(left.titles.includes('Recipe 2'));
  t.true(left.titles.includes('Recipe 3'));
  t.true(left.notes.includes('1 planned solution did not fit into the time limit.'));
  const fits = await tryBoth(2);
  t.true(fits.titles.includes('Recipe 2'));
});

test('a setting may take three times as long as the slowest run of its recipe, and no longer', async (t) => {
  const { params } = await makeSearcher(t);
  const timeouts: number[] = [];
  const run: AgentParams['sandbox']['run'] = async (order) => {
    const { score } = JSON.parse(await readFile(order.paramsFile, 'utf8')) as { score: number };
    // What comes after the folds is a probe.
    const isFold = !order.trainDir.includes(`fold-${FOLDS + 1}`);
    if (isFold && ![5, 3, 4].includes(score)) timeouts.push(order.timeoutMs);
    return { ...(await params.sandbox.run(order)), seconds: 0.5 };
  };
  t.is(await runAgent({ ...params, sandbox: { ...params.sandbox, run } }), 0);
  t.true(timeouts.length > 8);
  t.deepEqual([...new Set(timeouts)], [1_500]);
});

test('a dearer try of a program that is far behind the best is left out, one that is near is made', async (t) => {
  const tried = async (firstScore: number) => {
    const { dir, store } = await makeStore(t);
    const [first, second] = await makeRecipes(join(dir, 'recipes'), [firstScore, 3]);
    if (first === undefined || second === undefined) throw new Error('two recipes are made');
    const again = { ...first, name: 'again', title: 'Recipe 1, more effort', params: { score: firstScore - 0.1 }, costRank: 5 };
    const params = await makeAgentParams(dir, store, { recipes: [first, second, again] });
    t.is(await runAgent(params), 0);
    return (await readSolutions(params)).some(({ title }) => title === again.title);
  };
  // The constant has 10, the best 3: a fifth of what it gained is 1.4.
  t.false(await tried(4.5));
  t.true(await tried(4.3));
});

test('a person who asks it to finish ends the search of settings', async (t) => {
  const { params } = await makeSearcher(t);
  const { jobId } = params.spec;
  // While the second setting, solution 5, begins.
  const store = wrapWrites(params.store, async ({ key, write }) => {
    const outcome = await write();
    if (key !== keys.solution(jobId, 5, 'solution.py')) return outcome;
    const instruction = { schemaVersion: 1, seq: 1, at: new Date().toISOString(), instruction: { kind: 'finish' } };
    await params.store.createObject(keys.instruction(jobId, 1), JSON.stringify(instruction), 'application/json');
    return outcome;
  });
  t.is(await runAgent({ ...params, store }), 0);
  const settings = (await readSolutions(params)).filter(({ title }) => title.includes('setting'));
  t.is(settings.length, 2);
});
