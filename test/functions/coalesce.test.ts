import test from 'ava';
import { createCoalescer, createKeyedCoalescer } from '#functions/http/coalesce.ts';
import { diffLines } from '#functions/status/diff.ts';

test('calls during a run share one follow-up run that began after them', async (t) => {
  const gates: PromiseWithResolvers<void>[] = [];
  const { wake } = createCoalescer(() => {
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    return gate.promise;
  });
  const first = wake();
  const followers = Promise.all([wake(), wake(), wake()]);
  t.is(gates.length, 1);
  gates[0]?.resolve();
  await first;
  await new Promise(setImmediate);
  t.is(gates.length, 2);
  const late = wake();
  gates[1]?.resolve();
  await followers;
  await new Promise(setImmediate);
  t.is(gates.length, 3);
  gates[2]?.resolve();
  await late;
});

test('a failed run rejects those who waited for it, and the follow-up still happens', async (t) => {
  let runs = 0;
  const { wake } = createCoalescer(() => {
    runs += 1;
    return runs === 1 ? Promise.reject(new Error('down')) : Promise.resolve();
  });
  const [first, second] = await Promise.allSettled([wake(), wake()]);
  t.is(first.status, 'rejected');
  t.is(second.status, 'fulfilled');
  t.is(runs, 2);
});

test('different keys run side by side, one key one at a time', async (t) => {
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const started: string[] = [];
  const run = createKeyedCoalescer((value: string) => {
    started.push(value);
    const gate = Promise.withResolvers<void>();
    gates.set(value, gate);
    return gate.promise;
  });
  const all = [run('a', 'a1'), run('b', 'b1'), run('a', 'a2')];
  t.deepEqual(started, ['a1', 'b1']);
  gates.get('a1')?.resolve();
  await all[0];
  await new Promise(setImmediate);
  t.deepEqual(started, ['a1', 'b1', 'a2']);
  for (const gate of gates.values()) gate.resolve();
  await Promise.all(all);
});

test('a difference shows changed lines with their surroundings, and nothing for equal texts', (t) => {
  t.deepEqual(diffLines('a\nb', 'a\nb'), []);
  const before = Array.from({ length: 20 }, (_, index) => `line ${index}`);
  const after = before.with(10, 'changed').toSpliced(2, 1);
  t.deepEqual(diffLines(before.join('\n'), after.join('\n')), [
    '@@ -1,6 +1,5 @@',
    ' line 0',
    ' line 1',
    '-line 2',
    ' line 3',
    ' line 4',
    ' line 5',
    '@@ -8,7 +7,7 @@',
    ' line 7',
    ' line 8',
    ' line 9',
    '-line 10',
    '+changed',
    ' line 11',
    ' line 12',
    ' line 13',
  ]);
  t.is(diffLines('a\n'.repeat(5000), 'b'), null);
});
