import { randomUUID } from 'node:crypto';
import test from 'ava';
import { StoredInstruction } from '#core/instruction.ts';
import { InstructAccepted, Problem } from '#core/responses.ts';
import { keys } from '#core/names.ts';
import { addJob, change } from '#test/_support/ledger.ts';
import { postJson, startFunctions } from '#test/_support/functions.ts';
import type { TestFunctions } from '#test/_support/functions.ts';

async function readStored({ artifacts }: TestFunctions, jobId: string): Promise<StoredInstruction[]> {
  const found = await artifacts.listObjects({ prefix: keys.instructionPrefix(jobId), after: null, limit: 200 });
  const bodies = await Promise.all(found.map(({ key }) => artifacts.readObject(key, 100_000)));
  return bodies.map((bytes) => StoredInstruction.parse(JSON.parse(Buffer.from(bytes ?? '').toString('utf8'))));
}

test('what a job is told is stored in order, before the answer is given', async (t) => {
  const functions = await startFunctions(t);
  const job = await addJob(functions.store);
  const url = `${functions.url}/jobs/${job.id}/instructions`;
  const bodies = [
    { say: '  the dates matter ' },
    { try: 'use the weekday', why: 'shops close' },
    { try: 'x', say: null },
    { never: 'nets' },
    { finish: true },
  ];
  for (const [index, body] of bodies.entries()) {
    const response = await postJson(url, body);
    t.is(response.status, 202);
    t.like(InstructAccepted.parse(await response.json()), { job_id: job.id, status: 'pending', seq: index + 1 });
  }
  const stored = await readStored(functions, job.id);
  t.deepEqual(
    stored.map(({ seq, instruction }) => [seq, instruction]),
    [
      [1, { kind: 'say', text: 'the dates matter' }],
      [2, { kind: 'try', text: 'use the weekday', why: 'shops close' }],
      [3, { kind: 'try', text: 'x', why: '' }],
      [4, { kind: 'never', text: 'nets' }],
      [5, { kind: 'finish' }],
    ],
  );
});

test('of many who speak at once each gets a number of its own, and after a hundred nobody does', async (t) => {
  const functions = await startFunctions(t);
  const job = await addJob(functions.store);
  const url = `${functions.url}/jobs/${job.id}/instructions`;
  const numbers: number[] = [];
  for (let round = 0; round < 10; round += 1) {
    const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => postJson(url, { say: `word ${round}.${i}` })));
    t.true(
      answers.every(({ status }) => status === 202),
      answers.map(({ status }) => status).join(),
    );
    for (const answer of answers) numbers.push(InstructAccepted.parse(await answer.json()).seq);
  }
  t.deepEqual(
    numbers.toSorted((left, right) => left - right),
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
  t.is(new Set((await readStored(functions, job.id)).map(({ instruction }) => JSON.stringify(instruction))).size, 100);
  const more = await postJson(url, { finish: true });
  t.is(more.status, 409);
  t.is(Problem.parse(await more.json()).code, 'too-many-instructions');
});

test('a body that is wrong, a job that is unknown, somebody else’s, or over gets a clear no, and nothing is stored', async (t) => {
  const functions = await startFunctions(t);
  const job = await addJob(functions.store);
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{}, /give one of say, try, never and finish/],
    [{ say: 'a', finish: true }, /give one of/],
    [{ say: '   ' }, /\/say/],
    [{ say: 'x'.repeat(1_001) }, /\/say/],
    [{ never: 'x', why: 'y' }, /\/why goes with try/],
    [{ finish: false }, /\/finish/],
    [{ run: 'rm' }, /run/],
    ['words', /body is wrong/],
  ];
  for (const [body, message] of wrong) {
    const response = await postJson(`${functions.url}/jobs/${job.id}/instructions`, body);
    t.is(response.status, 422, JSON.stringify(body).slice(0, 60));
    t.regex(Problem.parse(await response.json()).detail, message);
  }
  t.is((await postJson(`${functions.url}/jobs/${randomUUID()}/instructions`, { finish: true })).status, 404);
  t.is((await postJson(`${functions.url}/jobs/nobody/instructions`, { finish: true })).status, 404);
  const other = await addJob(functions.store, { tenant: 'somebody-else' });
  t.is((await postJson(`${functions.url}/jobs/${other.id}/instructions`, { finish: true })).status, 404);
  await change(functions.store, job, { change: { state: 'cancelled', reason: 'over', stamp: ['completedAt'] } });
  const late = await postJson(`${functions.url}/jobs/${job.id}/instructions`, { finish: true });
  t.is(late.status, 400);
  t.is(Problem.parse(await late.json()).detail, 'Job cannot be instructed in status: cancelled');
  for (const { id } of [job, other]) t.deepEqual(await readStored(functions, id), []);
});
