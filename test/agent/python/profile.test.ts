import { gzipSync } from 'node:zlib';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { HarnessError } from '#agent/evaluate/harness-client.ts';
import type { TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { binaryCompetition, makeCsv, makeRandom, metricOf, openHarness, writeFiles } from './_harness.ts';

type Files = Record<string, string | Uint8Array>;

interface Case {
  title: string;
  files: () => Files;
  metric?: MetricId;
  description?: string;
  expect: (t: ExecutionContext, profile: TaskProfile) => void;
}

const base = binaryCompetition();
const text = (name: string) => base[name] ?? '';
const numbers = makeRandom(9);
const rename = (content: string, from: string, to: string) => content.replace(from, to);
const utf16 = (content: string) => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(content, 'utf16le')]);

const READABLE: Case[] = [
  {
    title: 'the plain case',
    files: () => base,
    metric: 'auc',
    expect: (t, profile) => {
      t.deepEqual(profile.targets, [{ name: 'target', type: 'binary', classes: ['0', '1'] }]);
      t.deepEqual(profile.feature_columns, ['x', 'colour']);
      t.deepEqual(profile.id_columns, ['id']);
      t.is(profile.submission.form, 'probability');
      t.is(profile.shape, 'rows');
      t.is(profile.column_types['colour'], 'categorical');
    },
  },
  {
    title: 'other names, other case, gzip',
    files: () => ({
      'Data/TRAIN_set.CSV.gz': gzipSync(text('train.csv')),
      'Test.csv': text('test.csv'),
      'sampleSubmission.csv': text('sample_submission.csv'),
    }),
    expect: (t, profile) => t.is(profile.train_rows, 120),
  },
  {
    title: 'semicolons and decimal commas',
    files: () => ({
      'train.csv': 'id;x;y\n' + Array.from({ length: 30 }, (_, i) => `${i};${i},5;${i},25\n`).join(''),
      'test.csv': 'id;x\n' + Array.from({ length: 9 }, (_, i) => `${i + 30};${i},5\n`).join(''),
      'sample_submission.csv': 'id;y\n' + Array.from({ length: 9 }, (_, i) => `${i + 30};0,5\n`).join(''),
    }),
    metric: 'rmse',
    expect: (t, profile) => {
      t.is(profile.column_types['x'], 'numeric');
      t.is(profile.submission.separator, ';');
      t.is(profile.submission.decimal, ',');
      t.is(profile.targets[0]?.type, 'regression');
    },
  },
  {
    title: 'tabs and UTF-16',
    files: () => ({
      'train.tsv': utf16(text('train.csv').replaceAll(',', '\t')),
      'test.tsv': utf16(text('test.csv').replaceAll(',', '\t')),
      'sample_submission.csv': text('sample_submission.csv'),
    }),
    expect: (t, profile) => t.deepEqual(profile.feature_columns, ['x', 'colour']),
  },
  {
    title: 'Latin-1 text',
    files: () => ({
      ...base,
      'train.csv': Buffer.from(text('train.csv').replaceAll('red', 'rosé'), 'latin1'),
      'test.csv': Buffer.from(text('test.csv').replaceAll('red', 'rosé'), 'latin1'),
    }),
    expect: (t, profile) => t.is(profile.column_types['colour'], 'categorical'),
  },
  {
    title: 'quoted newlines and separators',
    files: () => ({ ...base, 'train.csv': text('train.csv').replaceAll('red', '"red,\nthe colour"') }),
    expect: (t, profile) => t.is(profile.train_rows, 120),
  },
  {
    title: 'no sample file, format in the description',
    files: () => ({ 'train.csv': text('train.csv'), 'test.csv': text('test.csv') }),
    description: 'The file should contain a header:\n\n```\nid,target\n121,0.5\n122,0.1\n```\n',
    metric: 'logloss',
    expect: (t, profile) => {
      t.is(profile.submission.source, 'description');
      t.deepEqual(profile.submission.columns, ['id', 'target']);
      t.is(profile.submission.row_count, 40);
    },
  },
  {
    title: 'no sample file and no description',
    files: () => ({ 'train.csv': text('train.csv'), 'test.csv': text('test.csv') }),
    expect: (t, profile) => t.is(profile.submission.source, 'test-file'),
  },
  {
    title: 'one column a class',
    files: () => ({
      'train.csv': makeCsv(['id', 'x', 'status'], 90, (i) => [i, numbers().toFixed(3), ['C', 'CL', 'D'][i % 3] ?? '']),
      'test.csv': makeCsv(['id', 'x'], 30, (i) => [i + 90, numbers().toFixed(3)]),
      'sample_submission.csv': makeCsv(['id', 'Status_D', 'Status_CL', 'Status_C'], 30, (i) => [i + 90, 0.3, 0.3, 0.4]),
    }),
    metric: 'logloss',
    expect: (t, profile) => {
      t.is(profile.submission.form, 'class_columns');
      t.deepEqual(profile.targets, [{ name: 'status', type: 'multiclass', classes: ['D', 'CL', 'C'] }]);
    },
  },
  {
    title: 'several targets',
    files: () => ({
      'train.csv': makeCsv(['id', 'x', 'a', 'b'], 60, (i) => [i, numbers().toFixed(3), i % 2, i % 3 === 0 ? 1 : 0]),
      'test.csv': makeCsv(['id', 'x'], 20, (i) => [i + 60, numbers().toFixed(3)]),
      'sample_submission.csv': makeCsv(['id', 'a', 'b'], 20, (i) => [i + 60, 0.5, 0.5]),
    }),
    metric: 'auc_mean_columns',
    expect: (t, profile) =>
      t.deepEqual(
        profile.targets.map((target) => target.name),
        ['a', 'b'],
      ),
  },
  {
    title: 'the type comes from training labels, not from placeholders',
    files: () => ({ ...base, 'sample_submission.csv': makeCsv(['id', 'target'], 40, (i) => [121 + i, 17.25]) }),
    metric: 'accuracy',
    expect: (t, profile) => {
      t.is(profile.targets[0]?.type, 'binary');
      t.is(profile.submission.form, 'label');
    },
  },
  {
    title: 'another name in the sample than in the training file',
    files: () => ({ ...base, 'sample_submission.csv': rename(text('sample_submission.csv'), 'target', 'prediction') }),
    metric: 'auc',
    expect: (t, profile) => {
      t.is(profile.targets[0]?.name, 'target');
      t.true(profile.warnings.some((line) => line.includes('guessed')));
    },
  },
  {
    title: 'columns only in the training set, constants and codes with leading zeros',
    files: () => ({
      'train.csv': makeCsv(['id', 'zip', 'one', 'late', 'x', 'y'], 60, (i) => [i, `0${100 + (i % 7)}`, 5, i, numbers().toFixed(3), i % 2]),
      'test.csv': makeCsv(['id', 'zip', 'one', 'x'], 20, (i) => [i + 60, `0${100 + (i % 7)}`, 5, numbers().toFixed(3)]),
      'sample_submission.csv': makeCsv(['id', 'y'], 20, (i) => [i + 60, 0]),
    }),
    metric: 'accuracy',
    expect: (t, profile) => {
      t.deepEqual(profile.feature_columns, ['zip', 'x']);
      t.is(profile.column_types['zip'], 'categorical');
      t.is(profile.column_types['one'], 'constant');
      t.true(profile.warnings.some((line) => line.includes('late')));
    },
  },
  {
    title: 'dates, booleans and free text',
    files: () => {
      const words = ['a good day at the sea', 'the train was late again', 'nothing to see in here', 'what a lovely old house'];
      const row = (i: number) => [
        i,
        `2021-03-${String((i % 28) + 1).padStart(2, '0')}`,
        i % 3 ? 'True' : 'False',
        `${words[i % 4]} number ${i}`,
      ];
      return {
        'train.csv': makeCsv(['id', 'day', 'flag', 'note', 'y'], 80, (i) => [...row(i), i % 2]),
        'test.csv': makeCsv(['id', 'day', 'flag', 'note'], 30, (i) => row(i + 80)),
        'sample_submission.csv': makeCsv(['id', 'y'], 30, (i) => [i + 80, 0]),
      };
    },
    metric: 'accuracy',
    expect: (t, profile) => {
      t.like(profile.column_types, { day: 'datetime', flag: 'boolean', note: 'text' });
      t.is(profile.shape, 'rows');
    },
  },
];

for (const { title, files, metric, description, expect } of READABLE) {
  test(`profile reads ${title}`, async (t) => {
    const harness = openHarness(t);
    const dataDir = await writeFiles(t, files());
    const params = { data_dir: dataDir, description: description ?? '', slug: 'test', metric: metric ? metricOf(metric) : null };
    expect(t, await harness.profile(params));
  });
}

const noise = Buffer.from(Array.from({ length: 4000 }, () => Math.floor(numbers() * 256)));
const BROKEN: [string, () => Files, RegExp][] = [
  ['an empty folder', () => ({}), /No training table.*holds nothing/],
  [
    'no training file',
    () => ({ 'test.csv': text('test.csv'), 'sample_submission.csv': text('sample_submission.csv') }),
    /No training table was found: expected a file named like "train.csv"/,
  ],
  ['no test file', () => ({ 'train.csv': text('train.csv') }), /No test table was found/],
  ['an empty training file', () => ({ ...base, 'train.csv': '' }), /train.csv is empty/],
  ['a training file with only a header', () => ({ ...base, 'train.csv': 'id,x,colour,target\n' }), /train.csv has a header but no rows/],
  ['binary garbage', () => ({ ...base, 'train.csv': noise }), /train.csv is not a text table/],
  [
    'random control characters',
    () => ({ ...base, 'train.csv': Buffer.from(noise.map((byte) => (byte % 31) + 1)) }),
    /train.csv is not a text table/,
  ],
  [
    'a truncated gzip',
    () => ({ ...base, 'train.csv': gzipSync(text('train.csv')).subarray(0, 200) }),
    /train.csv is a (truncated|broken) gzip/,
  ],
  [
    'a fake zip',
    () => ({ ...base, 'train.csv': Buffer.concat([Buffer.from('PK\u0003\u0004'), noise]) }),
    /train.csv is a broken or encrypted zip/,
  ],
  ['a fake parquet', () => ({ ...base, 'train.csv': Buffer.concat([Buffer.from('PAR1'), noise]) }), /train.csv is not a readable Parquet/],
  ['a column twice', () => ({ ...base, 'train.csv': rename(text('train.csv'), 'id,x,colour', 'id,x,x') }), /the column "x" occurs 2 times/],
  ['a ragged row', () => ({ ...base, 'train.csv': `${text('train.csv')}1,2\n` }), /train.csv: row 121 has 2 cells where the header has 4/],
  ['the target absent', () => ({ ...base, 'train.csv': text('test.csv') }), /The target "target" is not in train.csv/],
  [
    'the target empty',
    () => ({ ...base, 'train.csv': makeCsv(['id', 'x', 'target'], 20, (i) => [i, i, '']) }),
    /the target "target" is empty in every row/,
  ],
  ['a target of one value', () => ({ ...base, 'train.csv': makeCsv(['id', 'x', 'target'], 20, (i) => [i, i, 1]) }), /single value/],
  [
    'a test id missing',
    () => ({ ...base, 'test.csv': text('test.csv').replace('\n130,', '\n,') }),
    /test.csv: the id column "id" is empty in row 10/,
  ],
  ['a test id twice', () => ({ ...base, 'test.csv': text('test.csv').replace('\n130,', '\n131,') }), /the id "131" occurs more than once/],
  [
    'sample ids that are not in the test set',
    () => ({ ...base, 'sample_submission.csv': makeCsv(['key', 'target'], 40, (i) => [`z${i}`, 0]) }),
    /no column names rows of test.csv/,
  ],
  [
    'a huge cell',
    () => ({ ...base, 'train.csv': `${text('train.csv')}9999,1,"${'x'.repeat(2_000_000)}",1\n` }),
    /a cell of column "colour" has 2000000 bytes/,
  ],
  [
    'too many columns',
    () => ({ ...base, 'train.csv': `${Array.from({ length: 20_001 }, (_, i) => `c${i}`).join(',')}\n` }),
    /20001 columns; the limit is 20000/,
  ],
  ['a column name without end', () => ({ ...base, 'train.csv': `${'n'.repeat(5000)},x\n1,2\n` }), /a column name has 5000 characters/],
];

for (const [title, files, message] of BROKEN) {
  test(`profile refuses ${title} in one line`, async (t) => {
    const harness = openHarness(t);
    const dataDir = await writeFiles(t, files());
    const params = { data_dir: dataDir, description: '', slug: 'test', metric: null };
    const error = await t.throwsAsync(harness.profile(params), { instanceOf: HarnessError, message });
    t.is(error?.code, 'bad-input');
    t.false(error?.message.includes('\n'));
    t.truthy((await harness.hello({})).pid, 'the harness is still there');
  });
}

test('a target that must be a number names the label that is none', async (t) => {
  const harness = openHarness(t);
  const dataDir = await writeFiles(t, { ...base, 'train.csv': text('train.csv').replace(/,1\n/, ',many\n') });
  const params = { data_dir: dataDir, description: '', slug: 'test', metric: metricOf('rmse') };
  await t.throwsAsync(harness.profile(params), { message: /the target "target" must be a number for this metric, but holds "many"/ });
});
