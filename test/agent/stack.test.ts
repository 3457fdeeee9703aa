import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { AgentParams } from '#agent/run.ts';
import type { RunOutcome } from '#agent/sandbox/sandbox.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { runAgent } from '#agent/run.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import type { OnCall } from '../_support/agent-parts.ts';
import { createScriptedHarness, createScriptedSandbox, makeAgentParams, makeRecipes, PROFILE } from '../_support/agent-parts.ts';
import { makeStore, readResultFile, readValidManifest } from '../_support/agent-store.ts';

const LARGE = { ...PROFILE, train_rows: 2_500 };

interface MakeOptions {
  readonly onCall?: OnCall;
  /** What each run seems to take. */
  readonly runS?: number;
  /** The program that cannot be trained again. */
  readonly failing?: string | null;
  readonly hasRefit?: boolean;
  readonly deciding?: readonly number[];
}

/** Three recipes of scores 5, 3 and 4, whose blend has 2.75, and a stack of the given score. Lower is better. */
async function makeParams(
  t: ExecutionContext,
  stackScore: number,
  { onCall, runS = 0.01, failing = null, hasRefit = false, deciding = [] }: MakeOptions = {},
): Promise<AgentParams & { readonly dir: string }> {
  const { dir, store } = await makeStore(t);
  const [one, two, three, stack] = await makeRecipes(join(dir, 'recipes'), [5, 3, 4, stackScore]);
  if (!one || !two || !three || !stack) throw new Error('recipes are missing');
  const inner = createScriptedSandbox(join(dir, 'runs.txt'), async ({ trainDir, program }): Promise<RunOutcome | null> => {
    const fails = failing !== null && program.endsWith(failing) && trainDir.includes('/rebuild/');
    return fails ? { exitClass: 'oom', exitCode: null, seconds: 1, peakMemoryMib: 1, tail: '', frame: null } : null;
  });
  const params = await makeAgentParams(dir, store, {
    recipes: [one, two, three, { ...stack, kind: 'stack', title: 'Stack of recipes' }],
    sandbox: { ...inner, run: async (order) => ({ ...(await inner.run(order)), seconds: runS }) },
    startHarness: () => createScriptedHarness(join(dir, 'harness'), onCall, { profile: LARGE, hasRefit, deciding }),
  });
  return { ...params, dir };
}

async function finish(t: ExecutionContext, params: AgentParams) {
  t.is(await runAgent(params), 0);
  return readValidManifest(params.store, params.spec.jobId, params.spec.attempt);
}

/** The solutions of an attempt's journal by number: kind, and whether it failed. */
async function readSolutions(params: AgentParams): Promise<Map<number, string>> {
  const { entries } = verifyJournal(await readSegments(params.store, params.spec.jobId));
  return new Map(
    entries.flatMap(({ fact }) =>
      fact.type === 'solution-finished'
        ? [[fact.report.number, `${fact.report.kind} ${fact.report.parents.join()} ${fact.report.state}`]]
        : [],
    ),
  );
}

test('a stack that beats the blend without two folds becomes the best, and the result names its members', async (t) => {
  const params = await makeParams(t, 2);
  const manifest = await finish(t, params);
  t.is(manifest.cv?.score, 2);
  t.is((await readSolutions(params)).get(manifest.bestSolution ?? -1), 'stack 2,3,1 valid');
  t.is(await readResultFile(params.store, params.spec, 'submission.csv'), 'id,y\n1,2\n');
  t.deepEqual(JSON.parse(await readResultFile(params.store, params.spec, 'stack.json')), { members: [2, 3, 1] });
  t.is(await readResultFile(params.store, params.spec, 'solution.py'), '# recipe 4\n');
  t.true(manifest.notes.some((note) => /^Solution 4 \(Stack of recipes\): 2 against 2\.75: it is the best now\.$/.test(note)));
  const runs = (await readFile(join(params.dir, 'runs.txt'), 'utf8')).split('\n');
  t.is(runs.filter((line) => line.endsWith('recipe-2.py')).length, 3 + 2 * 3, 'three folds, and twice three without a fold');
  t.is(runs.filter((line) => line.endsWith('recipe-4.py')).length, 3 + 2);
});

test('members of a stack are of different programs first, then the best of their other settings', async (t) => {
  const params = await makeParams(t, 2);
  const [one, two, three, stack] = params.recipes;
  if (!one || !two || !three || !stack) return t.fail('recipes are missing');
  const settings = [2.5, 2.6, 2.7].map((score) => ({ ...one, name: `one-${score}`, title: `One with ${score}`, params: { score } }));
  const more = { ...params, recipes: [one, ...settings, two, three, stack] };
  const manifest = await finish(t, more);
  t.is((await readSolutions(more)).get(manifest.bestSolution ?? -1), 'stack 1,5,6,2 valid');
});

test('a stack that is no better without two folds is shown and not chosen', async (t) => {
  const params = await makeParams(t, 2.75);
  const manifest = await finish(t, params);
  t.is((await readSolutions(params)).get(manifest.bestSolution ?? -1), 'blend 1,2,3 valid');
  t.is((await readSolutions(params)).get(4), 'stack 2,3,1 valid');
  t.true(manifest.notes.some((note) => note.endsWith('2.75 against 2.75: not better beyond noise.')));
});

test('a member that cannot be trained again is left out', async (t) => {
  const params = await makeParams(t, 2, { failing: 'recipe-3.py' });
  const manifest = await finish(t, params);
  t.is((await readSolutions(params)).get(manifest.bestSolution ?? -1), 'stack 2,1 valid');
});

test('without time to train the members twice more nothing is begun', async (t) => {
  const methods: string[] = [];
  const params = await makeParams(t, 2, { onCall: (method) => void methods.push(method), runS: 4 });
  const manifest = await finish(t, params);
  t.is(manifest.cv?.score, 2.75);
  t.false(methods.some((method) => /stack|rebuil/.test(method)));
});

test('a member is run over all rows where that is better than the mean of its folds', async (t) => {
  const calls: string[] = [];
  const params = await makeParams(t, 2, {
    onCall: (method, given) => void calls.push(`${method} ${JSON.stringify(given)}`),
    hasRefit: true,
  });
  await finish(t, params);
  const first = calls.findIndex((call) => call.startsWith('cut_refit {"solution":2}'));
  t.true(first > calls.findIndex((call) => call.startsWith('cut_rebuilt_stack')));
  t.true(calls.slice(first).some((call) => call.startsWith('take_refit {"solution":2,')));
  t.true(
    calls.slice(first).some((call) => call.startsWith('save_state') && call.includes('[2]')),
    'a later attempt has its scores',
  );
});

test('a solution that gave decisions is neither blended nor stacked', async (t) => {
  const params = await makeParams(t, 9, { deciding: [2] });
  await finish(t, params);
  const solutions = [...(await readSolutions(params)).values()];
  t.true(solutions.includes('stack 3,1 valid') && solutions.includes('blend 1,3 valid'), solutions.join('; '));
});

test('a few rows are not stacked', async (t) => {
  const { dir, store } = await makeStore(t);
  const [one, two, stack] = await makeRecipes(join(dir, 'recipes'), [5, 3, 2]);
  if (!one || !two || !stack) return t.fail();
  const params = await makeAgentParams(dir, store, { recipes: [one, two, { ...stack, kind: 'stack' }] });
  t.is((await finish(t, params)).cv?.score, 2.75);
});

test('a harness that fails at it takes nothing away', async (t) => {
  const params = await makeParams(t, 2, {
    onCall: (method) => {
      if (method === 'cut_rebuilt_stack') throw new Error('broken');
    },
  });
  const manifest = await finish(t, params);
  t.is(manifest.cv?.score, 2.75);
  t.regex(await readFile(join(params.dir, 'runs.txt'), 'utf8'), /recipe-4\.py/);
});
