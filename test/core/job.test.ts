import test from 'ava';
import { FINAL_STATES, JOB_STATES, TRANSITIONS, assertTransition, isFinal } from '#core/job.ts';

test('final states are the four last ones, and nothing leaves them', (t) => {
  t.deepEqual(JOB_STATES.filter(isFinal), [...FINAL_STATES]);
  for (const state of FINAL_STATES) t.deepEqual(TRANSITIONS[state], []);
});

test('every live state may go to every final state, and forward skips are allowed', (t) => {
  for (const from of ['pending', 'queued', 'running'] as const)
    for (const to of FINAL_STATES) t.notThrows(() => assertTransition(from, to));
  t.notThrows(() => assertTransition('pending', 'running'));
});

test('a job goes back only to pending', (t) => {
  t.notThrows(() => assertTransition('queued', 'pending'));
  t.notThrows(() => assertTransition('running', 'pending'));
  t.throws(() => assertTransition('running', 'queued'), { message: /running → queued/ });
});

test('a state may be written again, even a final one, since that changes nothing', (t) => {
  for (const state of JOB_STATES) t.notThrows(() => assertTransition(state, state));
});
