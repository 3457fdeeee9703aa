import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { gradeFolds, openCut } from './_grading.ts';
import { makeLeaky } from './_leaky.ts';
import type { Leak } from './_leaky.ts';
import {
  fingerprints,
  groupsShape,
  listsShape,
  masksShape,
  panelShape,
  relabelled,
  rowsShape,
  StoredFolds,
  survivalShape,
  tablesShape,
  timeShape,
} from './_shapes.ts';
import { ALL_SHARED, fixTask, makeFolder, metricOf, openHarness, writeFiles } from './_harness.ts';

const LEAKS: readonly Leak[] = [
  {
    title: 'the rows to answer carry a column of labels',
    file: 'run_folders.py',
    from: 'rows = show_as_test(task, folds, plan.fold, predict, rows)',
    to: 'rows = rows.append_column("hint", pa.array([int(task.truth[0][r]) if r < task.n_train else 0 for r in predict]))',
  },
  {
    title: 'the sample holds the mean of the labels',
    file: 'run_folders.py',
    from: 'value = 0.0 if target.classes is None else 0.5 if width == 1 else 1 / width',
    to: 'value = float(np.mean(task.truth[0]))',
  },
  {
    title: 'the order of the rows depends on the labels',
    file: 'run_folders.py',
    from: 'predict = plan.predict[order]',
    to: 'predict = plan.predict[np.argsort([task.truth[0][r] if r < task.n_train else 0 for r in plan.predict], kind="stable")]',
  },
  {
    title: 'the time stamps depend on the labels',
    file: 'run_folders.py',
    from: 'os.utime(place, FIXED_TIMES)',
    to: 'os.utime(place, (946_684_800 + int(task.truth[0].sum()),) * 2)',
  },
  {
    title: 'the task tells how many labels are positive',
    file: 'run_folders.py',
    from: '"schema_version": 1,',
    to: '"schema_version": 1, "positives": int(task.truth[0].sum()),',
  },
  {
    title: 'a column that stands still is taken from the block itself',
    file: 'shown_columns.py',
    from: 'source = source[np.argsort(task.times[source], kind="stable")]',
    to: 'source = rows[np.argsort(task.truth[0][rows] * 13 % 7)]',
    shape: panelShape,
  },
  {
    title: 'rows of tables are in an order that depends on the labels',
    file: 'shown_tables.py',
    from: 'order = np.argsort(shown.to_numpy(zero_copy_only=False), kind="stable")',
    to: 'order = np.argsort((shown.to_numpy(zero_copy_only=False) * (1 + int(task.truth[0].sum()))) % 97, kind="stable")',
    shape: tablesShape,
  },
  {
    title: 'the names of files depend on the masks',
    file: 'shown_media.py',
    from: 'numbers = rng.permutation(len(used)) + 1',
    to: 'numbers = np.roll(rng.permutation(len(used)) + 1, int(task.truth[0].sum()) % 50)',
    shape: masksShape,
  },
  {
    title: 'the time stamps of files depend on the masks',
    file: 'run_folders.py',
    from: 'os.utime(place, FIXED_TIMES)',
    to: 'os.utime(place, (946_684_800 + int(task.truth[0].sum()),) * 2)',
    shape: masksShape,
  },
  {
    title: 'survival times that are withheld go into the sample',
    file: 'run_folders.py',
    from: 'value = 0.0 if target.classes is None else 0.5 if width == 1 else 1 / width',
    to: 'value = float(task.truth[0][:, 0].mean())',
    shape: survivalShape,
  },
  {
    title: 'the sample holds the most frequent list',
    file: 'run_folders.py',
    from: 'pa.array([""] * len(keys) if target.is_answer',
    to: 'pa.array([str(sum(len(task.extras.answers.texts[c]) for c in task.truth[0]))] * len(keys) if target.is_answer',
    shape: () => listsShape('map_of_lists'),
  },
  {
    title: 'the parts that a run shares are all of them',
    file: 'shared_files.py',
    from: 'if wanted[held].all()]',
    to: ']; rows = np.arange(len(self.keys))',
    isShared: true,
  },
  {
    title: 'shared numbers follow the labels',
    file: 'shared_files.py',
    from: 'keys = rng.permutation(task.n_train).astype(np.int64) + 1',
    to: 'keys = np.argsort(np.argsort(task.truth[0], kind="stable")) + 1',
    isShared: true,
  },
];

/** Folds that are not apart, and the check that must say so. */
const TANGLES: readonly (Leak & { readonly check: string })[] = [
  {
    title: 'groups are cut through',
    file: 'folds.py',
    from: 'return _group_folds(task.groups[rows], count, rng)',
    to: 'return Folds(count, _stratified(task, rows, count, rng))',
    shape: groupsShape,
    check: 'groups apart',
  },
  {
    title: 'a fold learns from what comes later',
    file: 'folds.py',
    from: 'np.flatnonzero(times[: len(self.vector)] <= self.train_end[fold])',
    to: 'np.flatnonzero(self.vector != fold)',
    shape: timeShape,
    check: 'time in order',
  },
];

for (const tangle of TANGLES) {
  test(`a solution is suspect when ${tangle.title}`, async (t) => {
    const shape = (tangle.shape ?? rowsShape)();
    const opened = await openCut(t, shape.files, shape.metric, openHarness(t, await makeLeaky(t, tangle)));
    await gradeFolds(t, opened, 1, (row) => row['u'] ?? '0', { column: 'y' });
    const { checks, trust } = await opened.harness.finishSolution({ solution: 1 });
    t.is(trust.verdict, 'suspect');
    t.false(checks.find(({ name }) => name === tangle.check)?.ok ?? true);
  });
}

for (const leak of LEAKS) {
  test(`non-interference goes red when ${leak.title}`, async (t) => {
    const shape = (leak.shape ?? rowsShape)();
    const leaky = await makeLeaky(t, leak);
    const first = openHarness(t, leaky);
    const sharing = leak.isShared === true ? ALL_SHARED : {};
    const fixed = await fixTask(t, first, {
      dataDir: await writeFiles(t, { ...shape.files, ...shape.media }),
      metric: shape.metric,
      sharing,
    });
    const [run] = (await first.cut({ fold_count: 4 })).runs;
    const stored = await readFile(join(fixed.workDir, 'harness', 'folds.json'), 'utf8');
    const { vector } = StoredFolds.parse(JSON.parse(stored));
    const dataDir = await writeFiles(t, { ...shape.files, ...shape.media, 'train.csv': relabelled(shape, vector, 0) });
    const workDir = await makeFolder(t);
    await mkdir(join(workDir, 'harness'));
    await writeFile(join(workDir, 'harness', 'folds.json'), stored);
    const second = openHarness(t, leaky);
    await second.fixTask({
      data_dir: dataDir,
      work_dir: workDir,
      profile: fixed.profile,
      metric: metricOf(shape.metric),
      seed: 7,
      ...sharing,
    });
    const [twin] = (await second.cut({ fold_count: 4 })).runs;
    if (run === undefined || twin === undefined) return t.fail();
    t.is(run.fold, 0);
    t.notDeepEqual(await fingerprints(twin), await fingerprints(run));
  });
}
