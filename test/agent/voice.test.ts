import test from 'ava';
import type { VoiceParams } from '#agent/voice.ts';
import { ClaimLost } from '#agent/errors.ts';
import { keys } from '#core/names.ts';
import { startVoice } from '#agent/voice.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { makeStore, readEvents } from '../_support/agent-store.ts';
import { waitUntil } from '../_support/wait-until.ts';

const JOB = '0199aaaa-0000-7000-8000-000000000002';

function makeParams(store: VoiceParams['store'], change: Partial<VoiceParams> = {}): VoiceParams {
  return {
    store,
    sink: null,
    clock: systemClock,
    jobId: JOB,
    attempt: 1,
    tenant: 'default',
    traceparent: null,
    podName: null,
    sign: null,
    remainingS: () => 10,
    onLost: () => undefined,
    timings: { coalesceMs: 50, heartbeatMs: 25_000, hintTimeoutMs: 100 },
    ...change,
  };
}

test('many changes of progress become few events, with the last word in them; improvements are all said', async (t) => {
  const { store } = await makeStore(t);
  const voice = startVoice(makeParams(store));
  for (let index = 0; index < 1000; index += 1) voice.update({ message: `step ${index}` });
  voice.improved({ message: 'better' }, 1);
  voice.improved({ message: 'better still' }, 2);
  await voice.exited(0, null);
  const events = await readEvents(store, JOB, 1);
  t.deepEqual(
    events.map((event) => event.seq),
    events.map((_, index) => index + 1),
  );
  t.deepEqual(
    events.map((event) => event.type).filter((type) => type !== 'progressed'),
    ['started', 'improved', 'improved', 'exited'],
  );
  t.true(events.length < 10, `${events.length} events`);
});

test('silence is broken by a heartbeat', async (t) => {
  const { store } = await makeStore(t);
  const voice = startVoice(makeParams(store, { timings: { coalesceMs: 20, heartbeatMs: 60, hintTimeoutMs: 100 } }));
  const keepAlive = setInterval(() => undefined, 1000);
  await waitUntil('three heartbeats', async () => ((await readEvents(store, JOB, 1)).length >= 4 ? true : null), 10_000);
  clearInterval(keepAlive);
  t.true(voice.secondsSinceStored() < 5);
  await voice.close();
});

test('an event that somebody else wrote under our number ends the attempt, once', async (t) => {
  const { store } = await makeStore(t);
  await store.createObject(keys.event(JOB, 1, 2), '{}', 'application/json');
  const lost: unknown[] = [];
  const voice = startVoice(makeParams(store, { onLost: (error) => lost.push(error) }));
  voice.improved({}, 1);
  voice.improved({}, 2);
  await voice.flush();
  t.is(lost.length, 1);
  t.true(lost[0] instanceof ClaimLost);
  await voice.close();
});
