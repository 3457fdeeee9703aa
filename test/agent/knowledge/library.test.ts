import { randomUUID } from 'node:crypto';
import test from 'ava';
import { keepLesson, keepOutcome, readLessons } from '#agent/knowledge/library.ts';
import { takeFingerprint } from '#agent/knowledge/lesson.ts';
import type { Lesson } from '#agent/knowledge/lesson.ts';
import { keys } from '#core/names.ts';
import { PROFILE } from '#test/_support/agent-parts.ts';
import { makeStore } from '#test/_support/agent-store.ts';

const lesson = (claim: string): Lesson => ({
  schemaVersion: 1,
  claim,
  scope: 'tables',
  fingerprint: takeFingerprint(PROFILE, { id: 'rmse' }),
  evidence: { gainInErrors: 3, folds: 5 },
  at: '2026-11-29T00:00:00.000Z',
});

test('lessons are kept once, with what jobs made of them: a job counts once, and helped when any of its tries did', async (t) => {
  const { store } = await makeStore(t);
  const id = await keepLesson(store, 'a', lesson('one'));
  t.is(await keepLesson(store, 'a', lesson('one')), id);
  await keepLesson(store, 'b', lesson('of somebody else'));
  const [first, second] = [randomUUID(), randomUUID()];
  for (const helped of [false, true, true]) await keepOutcome(store, { tenant: 'a', lesson: id, jobId: first }, helped);
  await keepOutcome(store, { tenant: 'a', lesson: id, jobId: second }, false);
  await keepOutcome(store, { tenant: 'b', lesson: id, jobId: second }, true);
  const read = await readLessons(store, 'a', (key) => t.fail(key));
  t.deepEqual(
    read.map(({ lesson: { claim }, helped, tried }) => ({ claim, helped, tried })),
    [{ claim: 'one', helped: 1, tried: 2 }],
  );
});

test('what was changed, is too large or no lesson is passed over and told of', async (t) => {
  const { store } = await makeStore(t);
  const id = await keepLesson(store, 'a', lesson('good'));
  const bad = ['0123456789abcdef', 'fedcba9876543210', 'not-an-id'];
  await store.createObject(keys.lesson('a', bad[0] ?? ''), JSON.stringify(lesson('changed afterwards')), 'application/json');
  await store.createObject(keys.lesson('a', bad[1] ?? ''), 'x'.repeat(5_000), 'application/json');
  await store.createObject(keys.lesson('a', bad[2] ?? ''), '{', 'application/json');
  await store.createObject(keys.outcome('a', 'garbage', 'nobody', true), '', 'text/plain');
  const corrupt: string[] = [];
  const read = await readLessons(store, 'a', (key) => corrupt.push(key));
  t.deepEqual(
    read.map((each) => each.id),
    [id],
  );
  t.deepEqual(corrupt.toSorted(), bad.map((each) => keys.lesson('a', each)).toSorted());
});
