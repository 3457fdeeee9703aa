import test from 'ava';
import { createTurns } from '#agent/search/turns.ts';
import { createWorkers } from '#agent/search/workers.ts';

/** A promise that somebody else resolves. */
function openGate(): { readonly open: () => void; readonly passed: Promise<void> } {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open: () => open(), passed };
}

test('changes are made one after the other, and each is recorded with its place before it is made', async (t) => {
  const seen: string[] = [];
  const turns = createTurns({ recorded: [], record: async (index, event) => void seen.push(`${index} ${event}`), busy: () => 2 });
  const gate = openGate();
  const first = turns.take('a', async () => {
    await gate.passed;
    seen.push('a is done');
  });
  const second = turns.take('b', () => void seen.push('b is done'));
  gate.open();
  await Promise.all([first, second]);
  t.deepEqual(seen, ['0 a', 'a is done', '1 b', 'b is done']);
  await t.throwsAsync(turns.take('c', () => Promise.reject(new Error('no'))));
  t.is(await turns.take('d', () => 4), 4, 'a change that fails holds nobody up');
});

test('a recorded order is followed whoever comes first; what comes after it is recorded', async (t) => {
  const made: string[] = [];
  const recorded: string[] = [];
  const turns = createTurns({
    recorded: ['b', 'a'],
    record: async (index, event) => void recorded.push(`${index} ${event}`),
    busy: () => 3,
  });
  await Promise.all(['a', 'c', 'b'].map((event) => turns.take(event, () => void made.push(event))));
  t.deepEqual(made, ['b', 'a', 'c']);
  t.deepEqual(recorded, ['2 c']);
});

test('an order that nobody can follow any more is given up: nobody waits for ever', async (t) => {
  const made: string[] = [];
  let busy = 2;
  const turns = createTurns({ recorded: ['x', 'a'], record: async () => undefined, busy: () => busy });
  const first = turns.take('a', () => void made.push('a'));
  await Promise.resolve();
  t.deepEqual(made, [], 'the other one may still bring x');
  busy = 1;
  turns.recheck();
  await first;
  await turns.take('b', () => void made.push('b'));
  t.deepEqual(made, ['a', 'b']);
});

/** Workers that each do one task and say when; the order in which they are done is decided by `gates`. */
async function work(recorded: readonly string[], order: readonly number[]): Promise<{ log: string[]; turns: string[] }> {
  const log: string[] = [];
  const turns = [...recorded];
  const gates = order.map(() => openGate());
  const workers = createWorkers({ count: 2, recorded, record: async (index, event) => void (turns[index] = event) });
  let next = 0;
  const done = workers.run(async () => {
    const mine = await workers.turn('decide', () => (next += 1));
    await gates[mine - 1]?.passed;
    await workers.train(`train:${mine}`, async () => void log.push(`train ${mine} after ${log.length}`));
    await workers.turn(`end:${mine}`, () => void log.push(`end ${mine}`));
    return 'done';
  });
  for (const each of order) {
    gates[each - 1]?.open();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await done;
  return { log, turns };
}

test('two workers that finish out of order come to the same when their order is replayed', async (t) => {
  const first = await work([], [2, 1]);
  t.deepEqual(first.log, ['train 2 after 0', 'end 2', 'train 1 after 2', 'end 1']);
  const replayed = await work(first.turns, [1, 2]);
  t.deepEqual(replayed.log, first.log);
  t.deepEqual(replayed.turns, first.turns);
  t.notDeepEqual((await work([], [1, 2])).log, first.log, 'without the record the order would be another');
});

test('a worker rests until another changes something, and does not when it is alone; an error of one is thrown once all have ended', async (t) => {
  const workers = createWorkers({ count: 2, recorded: [], record: async () => undefined });
  const events: string[] = [];
  let isFirst = true;
  const reason = await workers.run(async () => {
    const mine = isFirst;
    isFirst = false;
    if (!mine) {
      await workers.turn('x', () => void events.push('x'));
      return 'second';
    }
    const seen = workers.changes();
    await workers.rest(seen);
    events.push('rested');
    await workers.rest(seen);
    events.push('not again: it was changed since');
    await workers.rest(workers.changes());
    events.push('the other has ended');
    await workers.rest(workers.changes());
    return 'first';
  });
  t.deepEqual(events, ['x', 'rested', 'not again: it was changed since', 'the other has ended']);
  t.is(reason, 'second');
  const failing = createWorkers({ count: 2, recorded: [], record: async () => undefined });
  let count = 0;
  await t.throwsAsync(
    failing.run(async () => {
      count += 1;
      if (count === 1) throw new Error('broke');
      await failing.turn('y', () => undefined);
      t.is(failing.endedBecause(), 'another worker failed');
      return 'fine';
    }),
    { message: 'broke' },
  );
});
