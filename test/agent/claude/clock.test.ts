import { readFile } from 'node:fs/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { replayJournal } from '#agent/journal/replay.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import type { Manifest } from '#core/report.ts';
import type { OnCall } from '#test/_support/agent-parts.ts';
import { HarnessFailure } from '#agent/harness-port.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { runAgent } from '#agent/run.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import type { ClaudeServer } from '#test/claude-server/server.ts';
import { readValidManifest } from '#test/_support/agent-store.ts';
import { countWrites, dieAfter } from './_die.ts';
import { finish, listSolutions, makeExplorer, nextAttempt, noteOf, NOTHING, plan, program, startServer } from './_explore.ts';

const LIMIT_S = 40;
const ENDED = /Claude wrote \d programs .* the time for calls is over/;

/** Always a better program than the best that the question shows, and a slower one: only the clock ends it. */
function answer(user: string): unknown {
  const known = Math.max(0, ...[...user.matchAll(/Step (\d+)/g)].map((match) => Number(match[1])));
  const step = Number(/go to Step (\d+)\n/.exec(user)?.[1] ?? known + 1);
  if (user.includes('You are the planner')) {
    const idea = (title: string, kind: string, cost: number) => ({
      title,
      hypothesis: 'it helps',
      family: title,
      kind,
      expected_gain: 0.1,
      relative_cost: cost,
      after: [],
      lesson: null,
    });
    return {
      answer: { kind: 'plan', ideas: [idea(`go to Step ${step}`, step === 1 ? 'draft' : 'improve', 1), idea(`heavy ${step}`, 'draft', 5)] },
    };
  }
  const isHeavy = user.includes('\nheavy') || user.includes('>\nheavy');
  const score = isHeavy ? 4 : 2.5 - step / 10;
  const title = isHeavy ? 'Heavy' : `Step ${step}`;
  const code = `# writes scores.csv ${title} of ${step}\nTAKES = ${isHeavy ? 3 : 1 + step / 4}\nSCORE = ${score}\n`;
  return { answer: { kind: 'program', title, hypothesis: 'it helps', family: title, code } };
}

/** An attempt whose clock moves only by what its runs take; `recipeS`: those of each recipe, in order. */
async function makeTimed(
  t: ExecutionContext,
  server: ClaudeServer,
  remainingS: number,
  recipeS: readonly number[] = [],
  onCall: OnCall = () => undefined,
) {
  let ms = 0;
  const clock = { now: systemClock.now, monotonicMs: () => ms };
  const onRun = async (order: { readonly program: string }): Promise<void> => {
    ms += 1000 * Number(/^TAKES = (.*)$/m.exec(await readFile(order.program, 'utf8'))?.[1] ?? 0);
  };
  const onRecipe = (order: { readonly program: string }): void => {
    ms += 1000 * (recipeS[Number(/recipe-(\d+)\.py$/.exec(order.program)?.[1] ?? 0) - 1] ?? 0);
  };
  const options = recipeS.length === 0 ? {} : { onRecipe, recipes: recipeS.map((_, index) => 5 - index / 2) };
  return makeExplorer(t, server, { remainingS, clock, onRun, onCall, ...options });
}

async function startAnswering(t: ExecutionContext): Promise<ClaudeServer> {
  const server = await startServer(t);
  server.answerRest((_, user) => ({ kind: 'json', value: answer(user) }));
  return server;
}

test('by a clock that counts the runs alone, an attempt that ends anywhere is gone on with to the same tree, which the clock ends', async (t) => {
  t.timeout(300_000);
  const first = await startAnswering(t);
  const { params: whole, count } = countWrites(await makeTimed(t, first, LIMIT_S));
  const { manifest, entries } = await finish(t, whole);
  const tree = listSolutions(entries);
  t.regex(noteOf(manifest), ENDED);
  t.true(tree.filter((line) => line.includes('Step')).length >= 3);
  const asked = first.requests.length;
  await dieAnywhere(t, { writes: count(), tree, mostAsked: asked + 1, start: startAnswering, recipeS: [] }, (resumed, title) =>
    t.regex(noteOf(resumed), ENDED, title),
  );
});

interface Whole {
  readonly writes: number;
  readonly tree: readonly string[];
  readonly mostAsked: number;
  readonly start: (t: ExecutionContext) => Promise<ClaudeServer>;
  readonly recipeS: readonly number[];
}

/** Ends an attempt at each of its writes; the next one comes to the same tree, with no further questions. */
async function dieAnywhere(t: ExecutionContext, whole: Whole, check: (manifest: Manifest, title: string) => void = () => undefined) {
  const { writes, tree, mostAsked, start, recipeS } = whole;
  for (let at = 1; at < writes; at += 1) {
    const server = await start(t);
    const params = await makeTimed(t, server, LIMIT_S, recipeS);
    await runAgent(dieAfter(params, at));
    const title = `after ${at} of ${writes} writes`;
    const { usedSeconds } = replayJournal(verifyJournal(await readSegments(params.store, params.spec.jobId)).entries);
    const next = nextAttempt(params, await makeTimed(t, server, LIMIT_S - usedSeconds, recipeS));
    t.is(await runAgent({ ...next, spec: { ...next.spec, remainingS: LIMIT_S - usedSeconds } }), 0, title);
    t.deepEqual(listSolutions(verifyJournal(await readSegments(params.store, params.spec.jobId)).entries), tree, title);
    check(await readValidManifest(params.store, params.spec.jobId, 2), title);
    t.true(server.requests.length <= mostAsked, `${title}: ${server.requests.length} questions; ${mostAsked} are the most`);
  }
}

/** One program, after two recipes that take the first half of the time; the third waits until Claude has had its turn. */
const RECIPE_S = [2.8, 2.8, 0.5];

async function startOneIdea(t: ExecutionContext): Promise<ClaudeServer> {
  const server = await startServer(t);
  server.answerRest((_, user) => ({
    kind: 'json',
    value: !user.includes('You are the planner')
      ? program(2, { title: 'Smooth curves' })
      : user.includes('Smooth curves')
        ? NOTHING
        : plan('draft', 'Smooth curves'),
  }));
  return server;
}

test('recipes leave half of the time to Claude, and go on after it; an attempt that ends anywhere is gone on with in the same order', async (t) => {
  t.timeout(300_000);
  const first = await startOneIdea(t);
  const { params: whole, count } = countWrites(await makeTimed(t, first, LIMIT_S, RECIPE_S));
  const { entries } = await finish(t, whole);
  const tree = listSolutions(entries);
  t.deepEqual(tree.slice(0, 5), [
    '0 baseline valid: Constant baseline',
    '1 recipe valid: Recipe 1',
    '2 recipe valid: Recipe 2',
    '3 generated valid: Smooth curves',
    '4 recipe valid: Recipe 3',
  ]);
  const asked = first.requests.map(({ user }) => user);
  t.true(asked.every((user) => !user.includes('Recipe 3')));
  // What was under way when it died is asked once more; nothing else is.
  await dieAnywhere(t, { writes: count(), tree, mostAsked: asked.length + 1, start: startOneIdea, recipeS: RECIPE_S });
});

test('where the first recipe fails after half of the time, Claude waits for the next one', async (t) => {
  const server = await startOneIdea(t);
  const onCall: OnCall = (method, params) => {
    if (method === 'grade_fold' && (params as { solution: number }).solution === 1) throw new HarnessFailure('refused', 'it has no rows');
  };
  const { entries } = await finish(t, await makeTimed(t, server, LIMIT_S, [7, 0.5], onCall));
  t.deepEqual(listSolutions(entries).slice(1, 4), [
    '1 recipe failed: Recipe 1',
    '2 recipe valid: Recipe 2',
    '3 generated valid: Smooth curves',
  ]);
});

test('a recipe that is known to take more than half of the time waits until Claude has had its turn', async (t) => {
  const server = await startOneIdea(t);
  const params = await makeTimed(t, server, LIMIT_S, [0.5, 0.1, 0.1]);
  const recipes = params.recipes.map((recipe, index) =>
    index === 1 ? { ...recipe, costLike: { recipe: 'recipe-1', times: 18 } } : recipe,
  );
  const { entries } = await finish(t, { ...params, recipes });
  t.deepEqual(listSolutions(entries).slice(1, 5), [
    '1 recipe valid: Recipe 1',
    '2 generated valid: Smooth curves',
    '3 recipe valid: Recipe 2',
    '4 recipe valid: Recipe 3',
  ]);
});

test('a recipe that was slow and no good keeps no idea off the list: ideas are measured by the best solution', async (t) => {
  const server = await startOneIdea(t);
  // The first takes 15 s; less than that is left for exploring when Claude's turn begins.
  const { entries } = await finish(t, await makeTimed(t, server, LIMIT_S, [5, 0.1]));
  t.deepEqual(listSolutions(entries).slice(1, 4), [
    '1 recipe valid: Recipe 1',
    '2 recipe valid: Recipe 2',
    '3 generated valid: Smooth curves',
  ]);
});

test('before its turn, too, a dearer try of a program that is far behind is left out', async (t) => {
  const server = await startOneIdea(t);
  const params = await makeTimed(t, server, LIMIT_S, [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]);
  // By scores: 5, 4.5, 4, 3.5, 3, 2.5; the constant has 10, and a fifth of what the best gained is 1.5.
  const [first] = params.recipes;
  if (first === undefined) return t.fail('there are six recipes');
  const again = { ...first, name: 'again', title: 'Recipe 1, more effort', costRank: 50 };
  const { entries } = await finish(t, { ...params, recipes: [...params.recipes, again] });
  t.false(listSolutions(entries).some((line) => line.includes(again.title)));
  t.true(listSolutions(entries).some((line) => line.includes('Smooth curves')));
});

test('a program that cannot be told from the best is probed when the turn ends, while there is time, so that it can be blended', async (t) => {
  const server = await startServer(t);
  const written = {
    kind: 'program',
    title: 'close',
    hypothesis: 'it helps',
    family: 'close',
    code: '# writes scores.csv\nTAKES = 2\nSCORE = 4.55\n',
  };
  const answers = [plan('draft', 'come close'), { answer: written }];
  server.answerRest(() => ({ kind: 'json', value: answers.shift() ?? NOTHING }));
  const asked: string[] = [];
  const onCall: OnCall = (method, params) => {
    if (method === 'judge_probes' || method === 'blend') asked.push(`${method} ${JSON.stringify(params)}`);
  };
  // The last recipe comes after the turn, and leaves too little for a probe.
  await finish(t, await makeTimed(t, server, 60, [5, 5, 4], onCall));
  t.regex(asked[0] ?? '', /^judge_probes \{"solution":3,"generated":true/);
  t.regex(asked.at(-1) ?? '', /^blend .*"members":\[1,2,3,4\]/);
});
