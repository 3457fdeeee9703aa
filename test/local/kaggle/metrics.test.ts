import { gzipSync } from 'node:zlib';
import test from 'ava';
import { METRICS } from '#local/kaggle/metrics.ts';
import { parseAnswers, scoreSubmission, SubmissionInvalid } from '#local/kaggle/scoring.ts';

const columns = (values: (string | number)[]): string[][] => values.map((value) => [String(value)]);

// Expected values are scikit-learn's.
const known: [metric: string, truth: (string | number)[], guess: (string | number)[], expected: number][] = [
  ['rmse', [1, 2, 3], [1, 2, 6], Math.sqrt(3)],
  ['mse', [1, 2, 3], [1, 2, 6], 3],
  ['mae', [1, 2, 3], [2, 2, 5], 1],
  ['medae', [1, 2, 3], [2, 2, 5], 1],
  ['rmsle', [3, 5, 2.5, 7], [2.5, 5, 4, 8], 0.1993242],
  ['r2', [3, -0.5, 2, 7], [2.5, 0, 2, 8], 0.9486081],
  ['mape', [3, -0.5, 2, 7], [2.5, 0, 2, 8], 0.3273809],
  ['smape', [1, 0], [3, 0], 50],
  ['auc', [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], 0.75],
  ['auc', [0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5],
  ['logloss', [1, 0, 0, 1], [0.9, 0.1, 0.2, 0.65], 0.2161619],
  ['accuracy', ['a', 'b', 'c'], ['a', 'b', 'b'], 2 / 3],
  ['accuracy', ['1', '0'], ['1.0', '0.0'], 1],
  ['balanced-accuracy', [0, 1, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1], 0.625],
  ['f1', [0, 1, 1, 1], [0, 1, 0, 1], 0.8],
  ['f1-macro', [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], 0.2666667],
  ['f1-micro', [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], 0.3333333],
  ['f1-weighted', [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], 0.2666667],
  ['mcc', [1, 1, 1, 0], [1, 0, 1, 1], -0.3333333],
  ['qwk', [0, 1, 2, 3], [0, 2, 1, 3], 0.8],
];
for (const [name, truth, guess, expected] of known) {
  test(`${name} of ${JSON.stringify(truth)} and ${JSON.stringify(guess)} is ${expected.toFixed(4)}`, (t) => {
    const score = METRICS[name]?.score({ truth: columns(truth), submitted: columns(guess), columns: ['y'] }) ?? Number.NaN;
    t.true(Math.abs(score - expected) < 1e-6, `${score}`);
  });
}

test('multi-class log loss takes one column a class and rescales each row', (t) => {
  const score = METRICS['logloss-multiclass']?.score({
    truth: [['a'], ['b']],
    submitted: [
      ['2', '2'],
      ['0.1', '0.9'],
    ],
    columns: ['a', 'b'],
  });
  t.true(Math.abs((score ?? 0) - (Math.log(2) - Math.log(0.9)) / 2) < 1e-9);
});

// Expected values are sacrebleu's (2.5, corpus_chrf) and, for ties and censoring, counted by hand.
const CHRF = 65.44688686013009;
test('chrF counts pieces of one to six characters over all rows, recall twice', (t) => {
  const score = METRICS['chrf']?.score({
    truth: [['a fast compressor'], ['plays chess']],
    submitted: [['fast compression'], ['a chess player']],
    columns: ['y'],
  });
  t.true(Math.abs((score ?? 0) - CHRF) < 1e-6, `${score}`);
  t.is(METRICS['chrf']?.score({ truth: [['abc']], submitted: [['xyz']], columns: ['y'] }), 0);
});

test('concordance leaves out pairs whose order nobody knows, and counts equal risks half', (t) => {
  const truth = [
    ['1', '1'],
    ['2', '0'],
    ['3', '1'],
    ['4', '0'],
  ];
  const of = (risks: number[]) => METRICS['concordance']?.score({ truth, submitted: columns(risks), columns: ['risk'] });
  t.is(of([4, 3, 2, 1]), 1);
  t.is(of([4, 3, 1, 1]), 3.5 / 4);
  t.is(of([1, 3, 2, 1]), 1.5 / 4);
  t.throws(() => METRICS['concordance']?.score({ truth: [['1', '0']], submitted: [['1']], columns: ['risk'] }), { message: /No pair/ });
});

test('a risk is scored against time and event, and nothing may stand beside it', (t) => {
  const people = parseAnswers('id,time,event,Usage\n1,1,1,Public\n2,2,1,Public\n3,1,1,Private\n4,2,0,Private\n', 'id');
  t.deepEqual(scoreSubmission(Buffer.from('id,risk\n1,9\n2,1\n3,1\n4,2\n'), people, 'concordance'), { publicScore: 1, privateScore: 0 });
  t.throws(() => scoreSubmission(Buffer.from('id,a,b\n1,9,1\n'), people, 'concordance'), { message: /one column/ });
});

const answers = parseAnswers('id,y,Usage\n1,10,Public\n2,20,Private\n3,30,Private\n', 'id');

test('the two parts are scored apart, whatever the order of rows and columns', (t) => {
  t.deepEqual(scoreSubmission(Buffer.from('y,id\n33,3\n11,1\n21,2\n'), answers, 'mae'), { publicScore: 1, privateScore: 2 });
});

test('a gzip file is scored by what is in it, a broken one is refused in words', (t) => {
  const packed = gzipSync('y,id\n33,3\n11,1\n21,2\n');
  t.deepEqual(scoreSubmission(packed, answers, 'mae'), { publicScore: 1, privateScore: 2 });
  const bomb = gzipSync(Buffer.alloc(101 * 1024 * 1024), { level: 1 });
  t.throws(() => scoreSubmission(bomb, answers, 'mae'), { instanceOf: SubmissionInvalid, message: /Could not parse/ });
  t.throws(() => scoreSubmission(packed.subarray(0, 12), answers, 'mae'), { instanceOf: SubmissionInvalid, message: /Could not parse/ });
});

const wrong: [title: string, csv: string, message: RegExp][] = [
  ['an empty file', '', /Required column 'id'/],
  ['no key column', 'key,y\n1,1\n2,2\n3,3\n', /Required column 'id'/],
  ['no target column', 'id,z\n1,1\n2,2\n3,3\n', /Required column 'y'/],
  ['an extra column', 'id,y,z\n1,1,1\n2,2,2\n3,3,3\n', /Unexpected column 'z'/],
  ['too few rows', 'id,y\n1,1\n', /must have 3 rows/],
  ['too many rows', 'id,y\n1,1\n2,2\n3,3\n4,4\n', /must have 3 rows/],
  ['a repeated key', 'id,y\n1,1\n1,2\n3,3\n', /already been defined \(Line 3, Column 1\)/],
  ['a foreign key', 'id,y\n1,1\n2,2\n9,3\n', /Unexpected value '9'/],
  ['an empty value', 'id,y\n1,1\n2,\n3,3\n', /Empty value/],
  ['a word', 'id,y\n1,1\n2,two\n3,3\n', /as a number/],
  ['an infinite value', 'id,y\n1,1\n2,Infinity\n3,3\n', /as a number/],
  ['a ragged row', 'id,y\n1,1\n2\n3,3\n', /as CSV/],
  ['bytes that are no text', '\u0000\u0001"\n', /CSV|Required/],
];
for (const [title, csv, message] of wrong) {
  test(`a submission with ${title} is refused in words`, (t) => {
    t.throws(() => scoreSubmission(Buffer.from(csv), answers, 'mae'), { instanceOf: SubmissionInvalid, message });
  });
}

test('a logarithmic error of a value below -1 is refused in words', (t) => {
  t.throws(() => scoreSubmission(Buffer.from('id,y\n1,-5\n2,2\n3,3\n'), answers, 'rmsle'), {
    instanceOf: SubmissionInvalid,
    message: /greater than -1/,
  });
});
