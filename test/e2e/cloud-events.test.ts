import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JobStore } from '#core/ports.ts';
import type { LocalPlane } from '#local/plane.ts';
import { DeadLetterList, JobListView } from '#core/responses.ts';
import type { DeadLetterView, JobView } from '#core/responses.ts';
import { callerError } from '#core/errors.ts';
import { readStatus, startTestPlane, waitForFinal } from '#test/_support/plane.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import { SOURCE, postBatch, postWish, wishCancel, wishJob } from './_producer.ts';

const ENDLESS = { hint: JSON.stringify({ steps: 100_000, msPerStep: 20 }) };

async function findJobs(plane: LocalPlane, query: string): Promise<JobView[]> {
  const response = await fetch(`${plane.url}/jobs?${query}`);
  return JobListView.parse(await response.json()).jobs;
}

function findByEvent(plane: LocalPlane, id: string): Promise<JobView[]> {
  return findJobs(plane, new URLSearchParams({ request_source: SOURCE, request_id: id }).toString());
}

function waitForJob(plane: LocalPlane, eventId: string): Promise<JobView> {
  return waitUntil(`the job that event ${eventId} asked for`, async () => (await findByEvent(plane, eventId))[0] ?? null);
}

async function readLetters(plane: LocalPlane): Promise<DeadLetterView[]> {
  const response = await fetch(`${plane.url}/dead-letters`);
  return DeadLetterList.parse(await response.json()).dead_letters;
}

async function waitForLetter(plane: LocalPlane, eventId: string): Promise<DeadLetterView> {
  return waitUntil(
    `the dead letter of event ${eventId}`,
    async () => (await readLetters(plane)).find(({ event }) => event['id'] === eventId) ?? null,
  );
}

async function assertTaken(t: ExecutionContext, response: Response, status: number): Promise<void> {
  t.is(response.status, status);
  t.is(await response.text(), '', 'an answer with a body would be taken for a reply');
}

test.serial('an event posted to the intake broker becomes one job, however often it is sent, and the job runs to its end', async (t) => {
  const plane = await startTestPlane(t);
  const id = randomUUID();
  for (const mode of ['binary', 'structured', 'binary'] as const)
    await assertTaken(t, await postWish(plane.brokers.intake.url, wishJob(id, { priority: 7 }), mode), 202);
  const found = await waitForJob(plane, id);
  const job = await waitForFinal(plane.url, found.job_id);
  t.is(job.status, 'success', job.reason);
  t.deepEqual(job.request, { source: SOURCE, id });
  t.is(job.job_metadata['priority'], 7);
  await plane.brokers.intake.drain();
  t.is((await findJobs(plane, 'limit=10')).length, 1);
});

test.serial('a cancel event posted to the intake broker ends a job named by its id, or by the event that asked for it', async (t) => {
  const plane = await startTestPlane(t, { cap: 2 });
  const [byId, byEvent] = [randomUUID(), randomUUID()];
  for (const id of [byId, byEvent]) await assertTaken(t, await postWish(plane.brokers.intake.url, wishJob(id, ENDLESS)), 202);
  const jobs = [await waitForJob(plane, byId), await waitForJob(plane, byEvent)];
  for (const { job_id: id } of jobs) await waitUntil('running', async () => (await readStatus(plane.url, id)).status === 'running');
  const wishes = [
    wishCancel(randomUUID(), { job_id: jobs[0]?.job_id }),
    wishCancel(randomUUID(), { request_source: SOURCE, request_id: byEvent }),
  ];
  for (const wish of wishes) await assertTaken(t, await postWish(plane.brokers.intake.url, wish, 'structured'), 202);
  for (const { job_id: id } of jobs) t.is((await waitForFinal(plane.url, id)).status, 'cancelled');
  // Late repeats change nothing and are no dead letters.
  for (const wish of wishes) await assertTaken(t, await postWish(`${plane.url}/events`, wish), 204);
  t.deepEqual(await readLetters(plane), []);
});

test.serial('POST /events takes one event or a batch, answers 204 without a body, and knows a repeat by source and id', async (t) => {
  const plane = await startTestPlane(t);
  const door = `${plane.url}/events`;
  const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()];
  await assertTaken(t, await postWish(door, wishJob(one)), 204);
  await assertTaken(t, await postWish(door, wishJob(one), 'structured'), 204);
  await assertTaken(t, await postWish(door, wishJob(two), 'structured'), 204);
  await assertTaken(t, await postBatch(door, [wishJob(one), wishJob(two), wishJob(three), wishJob(three)]), 204);
  t.is((await findJobs(plane, 'limit=10')).length, 3);

  // Other data under the same name: the first wins, and it is counted.
  await assertTaken(t, await postWish(door, wishJob(one, { priority: 5 })), 204);
  t.is((await findByEvent(plane, one))[0]?.job_metadata['priority'], 0);
  t.is((await plane.ports.store.readCounters())['request_event_mismatches'], 1);

  // A cancel of a job that a batch asks for, in the same batch.
  const four = randomUUID();
  const both = [wishJob(four, ENDLESS), wishCancel(randomUUID(), { request_source: SOURCE, request_id: four })];
  await assertTaken(t, await postBatch(door, both), 204);
  t.is((await waitForFinal(plane.url, (await waitForJob(plane, four)).job_id)).status, 'cancelled');
});

test.serial('a batch with one bad event is 400 and nothing of it is applied', async (t) => {
  const plane = await startTestPlane(t);
  const good = randomUUID();
  const bad = wishJob(randomUUID(), { kaggle_url: 'https://example.com/' });
  const response = await postBatch(`${plane.url}/events`, [wishJob(good), bad]);
  t.is(response.status, 400);
  t.regex(await response.text(), new RegExp(bad.id));
  t.deepEqual(await findJobs(plane, 'limit=10'), []);
});

test.serial('a cancel of a job that nobody knows is answered 503, so that it comes again when the job is there', async (t) => {
  const plane = await startTestPlane(t);
  const [job, cancel] = [randomUUID(), randomUUID()];
  const wish = wishCancel(cancel, { request_source: SOURCE, request_id: job });
  t.is((await postWish(`${plane.url}/events`, wish)).status, 503);
  // The broker overtakes: the cancel is delivered before the job is asked for, and waits for its second try.
  await assertTaken(t, await postWish(plane.brokers.intake.url, wish), 202);
  await waitUntil('the first try of the cancel', () => plane.brokers.intake.stats().retried > 0);
  await assertTaken(t, await postWish(plane.brokers.intake.url, wishJob(job, ENDLESS)), 202);
  t.is((await waitForFinal(plane.url, (await waitForJob(plane, job)).job_id)).status, 'cancelled');
});

/** A submit function with a defect that refuses everything, until it is mended. */
function breakInserting(store: JobStore, isBroken: () => boolean): JobStore {
  return {
    ...store,
    insertJob: (job) => (isBroken() ? Promise.reject(callerError('invalid-body', 422, 'refused by a defect')) : store.insertJob(job)),
  };
}

test.serial('an event that no handler takes lies in the dead letters, and is sent again by hand once the cause is mended', async (t) => {
  let isBroken = true;
  const plane = await startTestPlane(t, { wrapPorts: (ports) => ({ ...ports, store: breakInserting(ports.store, () => isBroken) }) });
  const id = randomUUID();
  await assertTaken(t, await postWish(plane.brokers.intake.url, wishJob(id)), 202);
  const letter = await waitForLetter(plane, id);
  t.like(letter, { error_code: '422', redriven_at: null });
  t.like(letter.event, { id, source: SOURCE, data: { kaggle_url: 'https://www.kaggle.com/competitions/titanic' } });
  t.regex(letter.error_destination ?? '', /\/submit\/events$/);

  const redrive = () => fetch(`${plane.url}/dead-letters/${letter.id}/redrive`, { method: 'POST' });
  isBroken = false;
  t.is((await redrive()).status, 200);
  t.is((await waitForFinal(plane.url, (await waitForJob(plane, id)).job_id)).status, 'success');
  t.truthy((await waitForLetter(plane, id)).redriven_at);
  // Sent by hand once more: still one job.
  t.is((await redrive()).status, 200);
  await plane.brokers.intake.drain();
  t.is((await findJobs(plane, 'limit=10')).length, 1);
});

test.serial('a poison event is a dead letter at once, without retries, and kept once', async (t) => {
  const plane = await startTestPlane(t);
  const poison = wishJob(randomUUID(), { kaggle_url: 'https://example.com/competitions/titanic' });
  for (let times = 0; times < 2; times += 1) await assertTaken(t, await postWish(plane.brokers.intake.url, poison), 202);
  const letter = await waitForLetter(plane, poison.id);
  await plane.brokers.intake.drain();
  t.is(letter.error_code, '400');
  t.is((await readLetters(plane)).length, 1);
  t.is(plane.brokers.intake.stats().retried, 0);
  t.deepEqual(await findJobs(plane, 'limit=10'), []);
  t.is((await fetch(`${plane.url}/dead-letters/${randomUUID()}/redrive`, { method: 'POST' })).status, 404);
});
