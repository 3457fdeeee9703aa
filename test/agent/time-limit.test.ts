import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { HarnessPort } from '#agent/harness-port.ts';
import { runAgent } from '#agent/run.ts';
import { createScriptedHarness, createScriptedSandbox, makeAgentParams, makeRecipes, makeSpec } from '../_support/agent-parts.ts';
import { makeStore, readEvents, readValidManifest } from '../_support/agent-store.ts';

test('a refit for which the time may not suffice is left out', async (t) => {
  const { dir, store } = await makeStore(t);
  let monotonicMs = 0;
  let runs = 0;
  const clock = { now: () => new Date(), monotonicMs: () => monotonicMs };
  // 46 s are left for work after the third fold, which took 40 s: a refit may take half as long again.
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    const seconds = (runs += 1) === 3 ? 40 : 2;
    monotonicMs += seconds * 1000;
    await writeFile(join(order.outDir, 'score.txt'), '5');
    return { exitClass: 'ok', exitCode: 0, seconds, peakMemoryMib: 1, tail: '', frame: null };
  });
  const startHarness = () => createScriptedHarness(join(dir, 'harness'), undefined, { hasRefit: true });
  const recipes = await makeRecipes(join(dir, 'recipes'), [5]);
  const params = await makeAgentParams(dir, store, { sandbox, clock, startHarness, spec: makeSpec({ remainingS: 100 }), recipes });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.quality, 'model');
  t.is(runs, 3);
  t.deepEqual(manifest.resources, { runSeconds: 44, peakMemoryMib: 1, llmUsd: 0 });
});

test('a time limit ends the search with the best so far, before the finalization reserve', async (t) => {
  const { dir, store } = await makeStore(t);
  let monotonicMs = 0;
  const clock = { now: () => new Date(), monotonicMs: () => monotonicMs };
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    const seconds = order.program.includes('recipe-1') ? 2 : 30;
    monotonicMs += seconds * 1000;
    await writeFile(join(order.outDir, 'score.txt'), '5');
    return { exitClass: 'ok', exitCode: 0, seconds, peakMemoryMib: 1, tail: '', frame: null };
  });
  const params = await makeAgentParams(dir, store, { sandbox, clock, spec: makeSpec({ remainingS: 100 }) });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.cv?.score, 5);
  const runs = (await readFile(join(dir, 'runs.txt'), 'utf8')).trim().split('\n');
  t.is(runs.filter((line) => line.includes('recipe-2')).length, 1, 'given up after the first fold');
  t.true(manifest.seconds < 90, `${manifest.seconds} s: the reserve of 10 s was not touched`);
  const finished = (await readEvents(store, params.spec.jobId, 1)).flatMap((event) =>
    event.type === 'progressed' && event.solution ? [event.solution] : [],
  );
  t.regex(finished.findLast((solution) => solution.number === 2)?.failure ?? '', /does not fit: needs about \d+ s more/);
});

test('a program that would end inside the finalization reserve is given up, though the time limit has room for it', async (t) => {
  const { dir, store } = await makeStore(t);
  let monotonicMs = 0;
  const clock = { now: () => new Date(), monotonicMs: () => monotonicMs };
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    const isLast = order.program.includes('recipe-3');
    // Of 100 s the last 10 are the reserve: from second 85 on, runs of 4 s each fit into what is left, but not before it.
    if (isLast) monotonicMs = Math.max(monotonicMs, 85_000);
    const seconds = isLast ? 4 : 1;
    monotonicMs += seconds * 1000;
    await writeFile(join(order.outDir, 'score.txt'), isLast ? '3' : '5');
    return { exitClass: 'ok', exitCode: 0, seconds, peakMemoryMib: 1, tail: '', frame: null };
  });
  const params = await makeAgentParams(dir, store, { sandbox, clock, spec: makeSpec({ remainingS: 100 }) });
  t.is(await runAgent(params), 0);
  const finished = (await readEvents(store, params.spec.jobId, 1)).flatMap((event) =>
    event.type === 'progressed' && event.solution ? [event.solution] : [],
  );
  t.regex(finished.findLast((solution) => solution.number === 3)?.failure ?? '', /does not fit: needs about \d+ s more/);
});

test('a first model whose first fold was slow is gone on with: it may fit all the same, and the constant is all there is without it', async (t) => {
  const { dir, store } = await makeStore(t);
  let monotonicMs = 0;
  const clock = { now: () => new Date(), monotonicMs: () => monotonicMs };
  let runs = 0;
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    runs += 1;
    const seconds = runs === 1 ? 50 : 3;
    monotonicMs += seconds * 1000;
    await writeFile(join(order.outDir, 'score.txt'), '5');
    return { exitClass: 'ok', exitCode: 0, seconds, peakMemoryMib: 1, tail: '', frame: null };
  });
  const params = await makeAgentParams(dir, store, { sandbox, clock, spec: makeSpec({ remainingS: 100 }) });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.is(manifest.quality, 'model', manifest.notes.join('; '));
  t.true(manifest.seconds < 90, `${manifest.seconds} s: the reserve of 10 s was not touched`);
});

test('of folds that run side by side each counts once when the rest is predicted', async (t) => {
  const { dir, store } = await makeStore(t);
  let monotonicMs = 0;
  const clock = { now: () => new Date(), monotonicMs: () => monotonicMs };
  const pair = Promise.withResolvers<void>();
  let seen = 0;
  // Two runs of 20 s at once leave 31 s for the third: enough for one, not for two.
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    const isSecond = order.program.includes('recipe-2');
    if (isSecond && (seen += 1) === 2) pair.resolve();
    if (isSecond) await pair.promise;
    monotonicMs += 1000 * (isSecond ? 10 : 1);
    await writeFile(join(order.outDir, 'score.txt'), isSecond ? '3' : '5');
    return { exitClass: 'ok', exitCode: 0, seconds: isSecond ? 20 : 1, peakMemoryMib: 1, tail: '', frame: null };
  });
  const spec = makeSpec({ remainingS: 60, resources: { cpuMillis: 2000, memoryMib: 1024 } });
  const recipes = await makeRecipes(join(dir, 'recipes'), [5, 3]);
  t.is(await runAgent(await makeAgentParams(dir, store, { sandbox, clock, spec, recipes, foldsAtOnce: 2 })), 0);
  const { bestSolution, notes } = await readValidManifest(store, spec.jobId, 1);
  t.true((bestSolution ?? 0) >= 2, notes.join());
});

test('a fold that is in flight is predicted by what it has left', async (t) => {
  const { dir, store } = await makeStore(t);
  let monotonicMs = 0;
  const clock = { now: () => new Date(), monotonicMs: () => monotonicMs };
  const [secondBegan, thirdBegan, secondJudged] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  const wait = [secondBegan, thirdBegan, secondJudged];
  const lasts = [20, 35, 20] as const;
  const moves = [20, 15, 5] as const;
  let begun = 0;
  // Folds of 20 and 35 s side by side; the third ran for 15 s when the second ends. Then 16 s are left: enough for its rest, not for all of it.
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    const fold = order.program.includes('recipe-2') ? begun++ : null;
    if (fold !== null && fold > 0) wait[fold - 1]?.resolve();
    if (fold !== null) await wait[fold]?.promise;
    monotonicMs += 1000 * (fold === null ? 1 : (moves[fold] ?? 0));
    await writeFile(join(order.outDir, 'score.txt'), fold === null ? '5' : '3');
    const seconds = fold === null ? 1 : (lasts[fold] ?? 0);
    return { exitClass: 'ok', exitCode: 0, seconds, peakMemoryMib: 1, tail: '', frame: null };
  });
  const startHarness = (): HarnessPort => {
    const harness = createScriptedHarness(join(dir, 'harness'));
    return {
      ...harness,
      call: async (method, params, options) => {
        const reply = await harness.call(method, params, options);
        if (method === 'grade_fold' && begun === 3) setImmediate(() => secondJudged.resolve());
        return reply;
      },
    };
  };
  const spec = makeSpec({ remainingS: 60, resources: { cpuMillis: 2000, memoryMib: 1024 } });
  const recipes = await makeRecipes(join(dir, 'recipes'), [5, 3]);
  t.is(await runAgent(await makeAgentParams(dir, store, { sandbox, clock, spec, recipes, startHarness, foldsAtOnce: 2 })), 0);
  const { bestSolution, notes } = await readValidManifest(store, spec.jobId, 1);
  t.true((bestSolution ?? 0) >= 2, notes.join());
});

test('a run may take its share of the time left: what does not fit at that pace is ended there', async (t) => {
  const { dir, store } = await makeStore(t);
  let monotonicMs = 0;
  const ended: number[] = [];
  const clock = { now: () => new Date(), monotonicMs: () => monotonicMs };
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    const wantedS = order.program.includes('recipe-1') ? 2 : 60;
    const seconds = Math.min(wantedS, order.timeoutMs / 1000);
    if (seconds < wantedS) ended.push(seconds);
    monotonicMs += seconds * 1000;
    await writeFile(join(order.outDir, 'score.txt'), '5');
    const end = seconds < wantedS ? ({ exitClass: 'timeout', exitCode: null } as const) : ({ exitClass: 'ok', exitCode: 0 } as const);
    return { ...end, seconds, peakMemoryMib: 1, tail: '', frame: null };
  });
  const recipes = await makeRecipes(join(dir, 'recipes'), [5, 5]);
  const params = await makeAgentParams(dir, store, { sandbox, clock, spec: makeSpec({ remainingS: 100 }), recipes });
  t.is(await runAgent(params), 0);
  // After three runs of 2 s a third of the 84 s before the reserve.
  t.deepEqual(ended, [28]);
  const failures = (await readEvents(store, params.spec.jobId, 1)).flatMap((event) =>
    event.type === 'progressed' && event.solution?.failure ? [event.solution.failure] : [],
  );
  t.regex(failures.at(-1) ?? '', /does not fit: it took more than its share of the time left, \d+ s/);
});
