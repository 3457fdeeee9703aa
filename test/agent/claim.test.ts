import test from 'ava';
import type { Claim } from '#core/job-spec.ts';
import { ClaimLost } from '#agent/errors.ts';
import { claimAttempt } from '#agent/claim.ts';
import { keys } from '#core/names.ts';
import { unavailable } from '#core/errors.ts';
import { wrapWrites } from '#agent/storing.ts';
import { makeStore } from '../_support/agent-store.ts';

const JOB = '0199aaaa-0000-7000-8000-000000000003';

test('a claim whose reply was lost is still ours', async (t) => {
  const { store } = await makeStore(t);
  let first = true;
  const losing = wrapWrites(store, async ({ write }) => {
    const outcome = await write();
    if (!first) return outcome;
    first = false;
    throw unavailable('the reply was lost');
  });
  await t.notThrowsAsync(claimAttempt(losing, JOB, 1, { podUid: 'a', nonce: 'n' }));
});

test('of many processes exactly one gets the claim', async (t) => {
  const { store } = await makeStore(t);
  const tries = Array.from({ length: 20 }, (_, index) => claimAttempt(store, JOB, 1, { podUid: `p${index}`, nonce: `n${index}` }));
  const outcomes = await Promise.allSettled(tries);
  t.is(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
  t.true(outcomes.every((outcome) => outcome.status === 'fulfilled' || outcome.reason instanceof ClaimLost));
});

const HOLDERS: readonly [title: string, body: string, message: RegExp][] = [
  ['another pod', JSON.stringify({ by: 'agent', attempt: 1, podUid: 'other', nonce: 'x' } satisfies Claim), /claimed by pod other/],
  ['the recorder', JSON.stringify({ by: 'recorder', attempt: 1 } satisfies Claim), /claimed by the recorder/],
  ['garbage', '{"by":', /unreadable claim/],
];
for (const [title, body, message] of HOLDERS) {
  test(`a claim held by ${title} is lost`, async (t) => {
    const { store } = await makeStore(t);
    await store.createObject(keys.claim(JOB, 1), body, 'application/json');
    await t.throwsAsync(claimAttempt(store, JOB, 1, { podUid: 'a', nonce: 'n' }), { instanceOf: ClaimLost, message });
  });
}
