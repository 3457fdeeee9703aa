import test from 'ava';
import { makeToken, signHint, verifyHint } from '#adapters/signing.ts';

const JOB = '0199aaaa-0000-7000-8000-000000000005';
const now = new Date('2026-01-01T00:00:00Z');
const later = new Date('2026-01-01T01:00:00Z');
const token = makeToken('key', JOB, 2, later);
const id = `${JOB}.2.7`;
const good = { planeKey: 'key', jobId: JOB, attempt: 2, eventId: id, signature: signHint(token, id), now };

test('the holder of the attempt’s token signs, and the plane verifies without having kept the token', (t) => {
  t.true(verifyHint(good));
});

const FORGED: readonly [title: string, change: Partial<typeof good>][] = [
  ['another event', { eventId: `${JOB}.2.8` }],
  ['another attempt', { attempt: 3 }],
  ['another job', { jobId: '0199aaaa-0000-7000-8000-000000000006' }],
  ['another plane', { planeKey: 'other' }],
  ['an expired token', { now: new Date('2026-01-01T01:00:01Z') }],
  ['a prolonged token', { signature: good.signature.replace(/^\d+/, (expiry) => String(Number(expiry) + 1000)) }],
  ['no signature', { signature: '' }],
  ['garbage', { signature: '1767229200.zz' }],
  ['too long', { signature: `${good.signature}0` }],
];
for (const [title, change] of FORGED) {
  test(`a signature of ${title} is refused`, (t) => {
    t.false(verifyHint({ ...good, ...change }));
  });
}

test('a malformed token signs nothing', (t) => {
  t.throws(() => signHint('secret', id), { message: /malformed/ });
});
