import test from 'ava';
import type { ArtifactStore } from '#core/ports.ts';
import { ClaimLost } from '#agent/errors.ts';
import { JournalBroken, verifyJournal } from '#agent/journal/chain.ts';
import { keys } from '#core/names.ts';
import { openJournal, readSegments } from '#agent/journal/journal.ts';
import { replayJournal } from '#agent/journal/replay.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { unavailable } from '#core/errors.ts';
import { wrapWrites } from '#agent/storing.ts';
import { makeStore } from '../../_support/agent-store.ts';

const JOB = '0199aaaa-0000-7000-8000-000000000001';
const START = { podUid: 'pod', remainingS: 60, versions: {} };

function open(store: ArtifactStore, attempt: number) {
  return openJournal({ store, clock: systemClock, jobId: JOB, attempt, elapsedS: () => 1 }, START);
}
const note = (text: string) => ({ type: 'note' as const, text });

test('a journal is consecutive over attempts, and each attempt records what it adopts', async (t) => {
  const { store } = await makeStore(t);
  const first = await open(store, 1);
  await Promise.all(['a', 'b', 'c'].map((text) => first.journal.append(note(text))));
  const head = first.journal.head();
  const second = await open(store, 2);
  t.is(second.earlier.length, 4);
  const { entries } = verifyJournal(await readSegments(store, JOB));
  t.deepEqual(
    entries.map(({ seq, attempt, fact }) => [seq, attempt, fact.type === 'note' ? fact.text : fact.type]),
    [
      [1, 1, 'attempt-started'],
      [2, 1, 'a'],
      [3, 1, 'b'],
      [4, 1, 'c'],
      [5, 2, 'attempt-started'],
    ],
  );
  const started = entries[4]?.fact;
  t.deepEqual(started?.type === 'attempt-started' ? started.adopted : null, head);
});

test('a writer whose attempt was followed by another meets its segment and ends', async (t) => {
  const { store } = await makeStore(t);
  const zombie = (await open(store, 1)).journal;
  await open(store, 2);
  await t.throwsAsync(zombie.append(note('late')), { instanceOf: ClaimLost });
  await t.throwsAsync(zombie.append(note('later')), { instanceOf: ClaimLost });
  t.is(verifyJournal(await readSegments(store, JOB)).lastSeq, 2);
});

test('a segment that the old attempt wrote while the new one was starting is adopted', async (t) => {
  const { store } = await makeStore(t);
  const zombie = (await open(store, 1)).journal;
  let raced = false;
  const racing = wrapWrites(store, async ({ key, write }) => {
    if (!raced && key === keys.journal(JOB, 2)) {
      raced = true;
      await zombie.append(note('just before'));
    }
    return write();
  });
  const { earlier } = await open(racing, 2);
  t.is(earlier.at(-1)?.fact.type, 'note');
  t.is(verifyJournal(await readSegments(store, JOB)).lastSeq, 3);
});

test('an append whose reply was lost is not written twice', async (t) => {
  const { store } = await makeStore(t);
  let losses = 0;
  const losing = wrapWrites(store, async ({ write }) => {
    const outcome = await write();
    losses += 1;
    if (losses % 2 === 1) throw unavailable('the reply was lost');
    return outcome;
  });
  const { journal } = await open(losing, 1);
  await journal.append(note('once'));
  t.is(verifyJournal(await readSegments(store, JOB)).lastSeq, 2);
});

test('a later attempt can not be overtaken by an earlier one that starts late', async (t) => {
  const { store } = await makeStore(t);
  await open(store, 3);
  await t.throwsAsync(open(store, 2), { instanceOf: ClaimLost });
});

test('any change of any line is found, and the first wrong segment named', async (t) => {
  const { store } = await makeStore(t);
  const { journal } = await open(store, 1);
  for (const text of ['a', 'b']) await journal.append(note(text));
  const lines = journal.lines();
  t.is(verifyJournal(lines).lastSeq, 3);
  const broken: [RegExp, string[]][] = [
    [/segment 3 does not follow from segment 2/, lines.map((line, index) => (index === 1 ? line.replace('"a"', '"x"') : line))],
    [/segment 2 says that it is 3/, [lines[0] ?? '', lines[2] ?? '']],
    [/segment 2 cannot be read/, [lines[0] ?? '', '{"seq":2', lines[2] ?? '']],
    [/segment 1 cannot be read/, [`${lines[0] ?? ''} `, lines[1] ?? '']],
    [/segment 3 says that it is 2/, [lines[0] ?? '', lines[1] ?? '', lines[1] ?? '']],
  ];
  for (const [message, changed] of broken) t.throws(() => verifyJournal(changed), { instanceOf: JournalBroken, message });
});

test('a missing segment is found', async (t) => {
  const { store } = await makeStore(t);
  const { journal } = await open(store, 1);
  await journal.append(note('a'));
  const holed = { ...wrapWrites(store, ({ write }) => write()) };
  holed.listObjects = async (params) => (await store.listObjects(params)).filter((object) => object.key !== keys.journal(JOB, 1));
  await t.throwsAsync(readSegments(holed, JOB), { instanceOf: JournalBroken, message: /segment 1 is missing/ });
});

test('replay charges reservations that were never settled, and adds up time over attempts', async (t) => {
  const { store } = await makeStore(t);
  const { journal } = await open(store, 1);
  await journal.append({ type: 'reserved', id: 'x', what: 'claude-call', usd: 0.5, contentSha256: null });
  await journal.append({ type: 'reserved', id: 'y', what: 'claude-call', usd: 0.5, contentSha256: null });
  await journal.append({ type: 'settled', id: 'x', usd: 0.125, outcome: 'done' });
  await open(store, 2);
  const state = replayJournal(verifyJournal(await readSegments(store, JOB)).entries);
  t.is(state.spentUsd, 0.625);
  t.is(state.usedSeconds, 2);
  t.deepEqual(
    [...state.reservations.values()].map((one) => one.open),
    [false, true],
  );
});
