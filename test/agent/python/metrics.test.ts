import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { z } from 'zod';
import { METRIC_IDS } from '#agent/evaluate/metric-ids.ts';
import { directionOf } from '#agent/task/metric.ts';
import { PYTHON } from '#test/_support/python.ts';

const run = promisify(execFile);
const HARNESS_FOLDER = fileURLToPath(new URL('../../../agent/python', import.meta.url));

test('every metric agrees with scikit-learn or a value worked out by hand', async (t) => {
  const script = fileURLToPath(new URL('metrics_check.py', import.meta.url));
  const { stderr } = await run(PYTHON, ['-I', '-B', script], { timeout: 100_000 });
  t.regex(stderr, /Ran 10 tests[\s\S]*OK/);
});

for (const [title, name, count] of [
  ['metrics of groups, forecasts, lists, texts and images agree with independent ones', 'metrics_parity.py', 14],
  ['metrics of answers add up over rows to what they are of whole columns', 'metrics_answers.py', 3],
  ['metrics give the published examples to the digits printed', 'metrics_published.py', 3],
] as const) {
  test(title, async (t) => {
    const { stderr } = await run(PYTHON, ['-I', '-B', fileURLToPath(new URL(name, import.meta.url))], { timeout: 100_000 });
    t.regex(stderr, new RegExp(`Ran ${count} tests[\\s\\S]*OK`));
  });
}

test('the grader has the same metrics with the same directions as the protocol', async (t) => {
  const program = `import sys, json; sys.path.insert(0, ${JSON.stringify(HARNESS_FOLDER)}); from kaggle_harness.metric_table import METRICS, UNLABELLED_METRICS; print(json.dumps({m.id: m.direction for m in [*METRICS.values(), *UNLABELLED_METRICS.values()]}))`;
  const { stdout } = await run(PYTHON, ['-I', '-B', '-c', program]);
  const directions = z.record(z.string(), z.string()).parse(JSON.parse(stdout));
  t.deepEqual(Object.keys(directions).toSorted(), [...METRIC_IDS].toSorted());
  for (const id of METRIC_IDS) t.is(directions[id], directionOf(id), id);
});
