import test from 'ava';
import { cleanText, createJobLog } from '#agent/log.ts';
import { keys } from '#core/names.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { makeStore, readText } from '../_support/agent-store.ts';

const JOB = '0199aaaa-0000-7000-8000-000000000004';

test('a log is stored in gap-free chunks that together hold every line in order', async (t) => {
  const { store } = await makeStore(t);
  const printed: string[] = [];
  const log = createJobLog({ store, clock: systemClock, jobId: JOB, attempt: 1, print: (line) => printed.push(line) });
  for (let index = 0; index < 5000; index += 1) log.info(`line ${index} ${'x'.repeat(40)}`);
  await log.close();
  const objects = await store.listObjects({ prefix: keys.logPrefix(JOB, 1), after: null, limit: 100 });
  t.true(objects.length > 3);
  t.deepEqual(
    objects.map((object) => object.key),
    objects.map((_, index) => keys.log(JOB, 1, index + 1)),
  );
  const text = (await Promise.all(objects.map((object) => readText(store, object.key)))).join('');
  t.deepEqual(text.trimEnd().split('\n'), printed);
});

test('output of a program is marked, put together to lines, cleaned, and repeated lines are counted', async (t) => {
  const { store } = await makeStore(t);
  const printed: string[] = [];
  const log = createJobLog({ store, clock: systemClock, jobId: JOB, attempt: 2, print: (line) => printed.push(line.slice(25)) });
  log.output('solution 1', 'a \u001B[31mred\u001B[0m wo');
  log.output('solution 1', 'rd\u0007\n');
  for (let index = 0; index < 50; index += 1) log.output('solution 1', 'warning\r\n');
  log.output('solution 1', 'no line end');
  await log.close();
  t.deepEqual(printed, [
    'OUT  [solution 1] a red word',
    'OUT  [solution 1] warning',
    'OUT  [solution 1] warning (and 49 more times)',
    'OUT  [solution 1] no line end',
  ]);
});

test('control characters, terminal escapes and direction marks do not pass', (t) => {
  t.is(cleanText('a\tb\u0000c\u001B]0;title\u0007d\u202Ee\u009Bf\r\ng'), 'a  bc]0;titledefg');
});
