import { join } from 'node:path';
import test from 'ava';
import { binaryCompetition, fixTask, openHarness, writeFiles } from './_harness.ts';
import { RECIPES, runFile } from './_recipes.ts';
import { PYTHON } from '#test/_support/python.ts';

/** Over before the packages are imported: every check of the time finds none left. */
const DEADLINE_S = 0.01;

for (const program of ['gradient_boosting', 'xgboost_shallow', 'linear', 'extra_trees']) {
  test(`${program} answers with what it has where reading and features took its time`, async (t) => {
    const harness = openHarness(t);
    await fixTask(t, harness, { dataDir: await writeFiles(t, binaryCompetition(600)), metric: 'auc' });
    const [run] = (await harness.cut({ fold_count: 2 })).runs;
    if (!run) return t.fail('no fold');
    const work = await writeFiles(t, { 'params.json': '{}' });
    const out = join(work, run.run_id);
    const folders = ['--train', run.train_dir, '--predict', run.predict_dir, '--out', out, '--params', join(work, 'params.json')];
    const limits = ['--seed', '3', '--threads', '1', '--deadline', String(DEADLINE_S)];
    await runFile(PYTHON, ['-I', '-B', join(RECIPES, `${program}.py`), ...folders, ...limits], { timeout: 100_000, env: {} });
    const grade = await harness.gradeFold({ solution: 1, run_id: run.run_id, out_dir: out });
    t.is(grade.failure, null);
    t.true((grade.score ?? 0) > 0.6, `${grade.score}`);
  });
}
