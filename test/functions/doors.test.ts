import test from 'ava';
import { DeadLetterList, RunAccepted } from '#core/responses.ts';
import { EVENT_TYPES } from '#core/events.ts';
import { PLANE_KEY, startInternalFunctions } from '#test/_support/internal-functions.ts';
import { addJob, claim, readJob } from '#test/_support/ledger.ts';
import { keys } from '#core/names.ts';
import { makeToken, signHint } from '#adapters/signing.ts';
import { postEvent, postJson, startFunctions } from '#test/_support/functions.ts';

const TITANIC = 'https://www.kaggle.com/competitions/titanic';
const PING = { 'ce-specversion': '1.0', 'ce-id': 'p', 'ce-source': '/ping', 'ce-type': EVENT_TYPES.ping };

test('the launcher is woken by an event or a tick, answers 204 without a body, and launches each job once', async (t) => {
  const functions = await startFunctions(t);
  const internal = await startInternalFunctions(t, functions);
  const jobs = await Promise.all(Array.from({ length: 5 }, () => addJob(functions.store)));
  const event = { id: 'x', type: EVENT_TYPES.submitted, source: '/kaggle-agent/submit', data: {} };
  const answers = await Promise.all([
    ...Array.from({ length: 20 }, () => postEvent(`${internal.launcherUrl}/`, event)),
    fetch(`${internal.launcherUrl}/tick`, { method: 'POST' }),
  ]);
  for (const answer of answers) {
    t.is(answer.status, 204);
    t.is(await answer.text(), '');
  }
  t.deepEqual(internal.orders.map((order) => order.jobId).toSorted(), jobs.map((job) => job.id).toSorted());
  t.is((await readJob(functions.store, jobs[0]?.id ?? '')).state, 'queued');
});

test('a launcher whose ledger is down answers 503, so that the event comes again', async (t) => {
  const functions = await startFunctions(t, { wrapStore: (store) => ({ ...store, claimSlots: () => Promise.reject(new Error('down')) }) });
  const internal = await startInternalFunctions(t, functions);
  const event = { id: 'x', type: EVENT_TYPES.submitted, source: '/s', data: {} };
  t.is((await postEvent(`${internal.launcherUrl}/`, event)).status, 503);
  t.is((await fetch(`${internal.launcherUrl}/tick`, { method: 'POST' })).status, 503);
});

test('a signed hint brings what the agent said into the ledger; an unsigned or forged one is counted and changes nothing', async (t) => {
  const functions = await startFunctions(t);
  const internal = await startInternalFunctions(t, functions);
  const job = await addJob(functions.store);
  await fetch(`${internal.launcherUrl}/tick`, { method: 'POST' });
  await functions.artifacts.createObject(
    keys.claim(job.id, 1),
    JSON.stringify({ by: 'agent', attempt: 1, podUid: 'u', nonce: 'n' }),
    'application/json',
  );
  const said = { type: 'started', seq: 1, at: new Date().toISOString(), podName: 'pod-1' };
  await functions.artifacts.createObject(keys.event(job.id, 1, 1), JSON.stringify(said), 'application/json');
  const id = `${job.id}.1.1`;
  const token = (attempt: number) => makeToken(PLANE_KEY, job.id, attempt, new Date(Date.now() + 60_000));
  const hint = (signature: string | null, eventId = id) =>
    postEvent(`${internal.collectorUrl}/`, {
      id: eventId,
      type: EVENT_TYPES.started,
      source: '/kaggle-agent/agent',
      data: { job_id: job.id, attempt: 1, seq: 1 },
      extensions: signature === null ? {} : { signature },
    });
  for (const signature of [
    null,
    'x',
    signHint(token(2), id),
    signHint(makeToken('other-key', job.id, 1, new Date(Date.now() + 60_000)), id),
  ]) {
    t.is((await hint(signature)).status, 204);
  }
  t.is((await hint(signHint(token(1), 'another.event.id'), 'another.event.id')).status, 204);
  t.is((await readJob(functions.store, job.id)).state, 'queued');
  t.is((await functions.store.readCounters())['unsigned_hints'], 5);
  const answer = await hint(signHint(token(1), id));
  t.is(answer.status, 204);
  t.is((await readJob(functions.store, job.id)).state, 'running');
});

test('a reference to a changed Job is looked up by its name, other kinds are ignored, unknown names are counted', async (t) => {
  const functions = await startFunctions(t);
  const internal = await startInternalFunctions(t, functions);
  const refer = (kind: string, name: string) =>
    postEvent(`${internal.collectorUrl}/`, {
      id: 'r',
      type: EVENT_TYPES.clusterUpdated,
      source: '/cluster',
      data: { apiVersion: 'batch/v1', kind, name, namespace: 'runs' },
    });
  t.is((await refer('Job', 'nobody')).status, 204);
  t.is((await refer('Pod', 'nobody')).status, 204);
  t.is((await functions.store.readCounters())['unknown_cluster_jobs'], 1);
  const malformed = { id: 'r', type: EVENT_TYPES.clusterUpdated, source: '/cluster', data: {} };
  t.is((await postEvent(`${internal.collectorUrl}/`, malformed)).status, 422);
});

test('a tick launches what no event told of, and sends what was not sent', async (t) => {
  let isBrokerDown = true;
  const functions = await startFunctions(t, { send: () => (isBrokerDown ? Promise.reject(new Error('broker down')) : Promise.resolve()) });
  const internal = await startInternalFunctions(t, functions);
  const accepted = RunAccepted.parse(await (await postJson(`${functions.url}/run`, { kaggle_url: TITANIC })).json());
  await functions.lifecycle.settle(5_000);
  t.is(functions.sent.length, 0);
  isBrokerDown = false;
  t.is((await postJson(`${internal.reconcilerUrl}/`, {}, PING)).status, 204);
  t.is((await readJob(functions.store, accepted.job_id)).state, 'queued');
});

test('a dead letter is kept once, shown, and sent again without the notes of its failure', async (t) => {
  const functions = await startFunctions(t);
  const dead = {
    id: 'e1',
    type: EVENT_TYPES.requested,
    source: '/ci',
    data: { kaggle_url: 'https://example.org' },
    extensions: { knativeerrordest: 'http://submit', knativeerrorcode: '400', knativeerrordata: 'no competition', tenant: 'default' },
  };
  for (let count = 0; count < 3; count += 1) t.is((await postEvent(`${functions.deadLetterUrl}/`, dead)).status, 204);
  const { dead_letters: letters } = DeadLetterList.parse(await (await fetch(`${functions.url}/dead-letters`)).json());
  t.is(letters.length, 1);
  t.like(letters[0], { error_code: '400', error_data: 'no competition', error_destination: 'http://submit', redriven_at: null });
  const redriven = await fetch(`${functions.url}/dead-letters/${letters[0]?.id}/redrive`, { method: 'POST' });
  t.is(redriven.status, 200);
  t.like(functions.sent[0], { id: 'e1', type: EVENT_TYPES.requested, source: '/ci', data: dead.data });
  t.deepEqual(functions.sent[0]?.extensions, { tenant: 'default' });
  const after = DeadLetterList.parse(await (await fetch(`${functions.url}/dead-letters`)).json());
  t.not(after.dead_letters[0]?.redriven_at, null);
  t.is((await fetch(`${functions.url}/dead-letters/nobody/redrive`, { method: 'POST' })).status, 404);
});

test('the doors of the cluster are closed to other host names, so that no web page can wake them', async (t) => {
  const functions = await startFunctions(t);
  const internal = await startInternalFunctions(t, functions);
  await claim(functions.store);
  const response = await fetch(`${internal.launcherUrl}/tick`, { method: 'POST', headers: { origin: 'https://evil.example' } });
  t.is(response.status, 403);
});
