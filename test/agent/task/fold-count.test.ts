import { join } from 'node:path';
import test from 'ava';
import { runAgent } from '#agent/run.ts';
import { chooseFoldCount } from '#agent/task/fold-count.ts';
import type { TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import { createScriptedHarness, makeAgentParams, makeSpec, PROFILE } from '../../_support/agent-parts.ts';
import { makeStore } from '../../_support/agent-store.ts';

const LIMIT_S = 60;
const columns = Array.from({ length: 30 }, (_, index) => `c${index}`);
const types: TaskProfile['column_types'] = Object.fromEntries(columns.map((name) => [name, 'numeric' as const]));
/** 40 columns with those that are made, 20 s for a million cells: 12 s of 60 are spent at 15,000 rows. */
const few = { ...PROFILE, feature_columns: columns, column_types: types, train_rows: 14_000 };
const many = { ...few, train_rows: 16_000 };
const target = { ...PROFILE.targets[0], type: 'multiclass', classes: Array.from({ length: 10 }, (_, index) => `k${index}`) };

const CASES: readonly (readonly [string, Partial<TaskProfile> & typeof few, number, number | null])[] = [
  ['five folds fit', few, LIMIT_S, null],
  ['five folds of many rows would take too much', many, LIMIT_S, 4],
  ['groups are cut the same way', { ...many, shape: 'groups' }, LIMIT_S, 4],
  ['a longer limit has time for five', many, 2 * LIMIT_S, null],
  ['many classes want as many trees', { ...few, targets: [target] as TaskProfile['targets'] }, LIMIT_S, 4],
  ['a text is as many columns', { ...few, column_types: { ...types, c0: 'text' } }, LIMIT_S, 4],
  ['with very many rows the harness takes three', { ...many, train_rows: 200_000 }, LIMIT_S, null],
  ['few rows need each of their folds', { ...many, train_rows: 900 }, 1, null],
  ['blocks of time are no choice', { ...many, shape: 'time' }, LIMIT_S, null],
  ['nor are those of series', { ...many, shape: 'panel' }, LIMIT_S, null],
];

for (const [name, profile, limitS, wanted] of CASES) {
  test(`folds: ${name}`, (t) => {
    t.is(chooseFoldCount(profile, limitS), wanted);
  });
}

for (const [asked, cut] of [
  [null, 4],
  [5, 5],
] as const) {
  test(`the harness is told to cut ${cut} folds where ${asked ?? 'none'} are asked for and five would take too much`, async (t) => {
    const { dir, store } = await makeStore(t);
    const told: unknown[] = [];
    const onCall = (method: string, params: unknown) => void (method === 'cut' && told.push(params));
    const startHarness = () => createScriptedHarness(join(dir, 'harness'), onCall, { profile: many });
    const params = await makeAgentParams(dir, store, { startHarness, foldCount: asked, spec: makeSpec({ remainingS: LIMIT_S }) });
    t.is(await runAgent(params), 0);
    t.deepEqual(told, [{ fold_count: cut }]);
  });
}
