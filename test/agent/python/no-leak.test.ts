import test from 'ava';
import { makeCsv, makeRandom } from './_harness.ts';
import { checkProgram, OF_ANSWERS, PROGRAMS } from './_recipes.ts';
import type { Kind } from './_recipes.ts';

/** Half of them are scored; the area under the curve of chance then errs by 0.026, and this is four times as much. */
const ROWS = 1000;
const MOST_ERROR = 0.105;
const TESTS = 200;
const WORDS = ['ship', 'wave', 'field', 'wood', 'cloud', 'wing', 'stone', 'river'];

/** A competition whose columns say nothing of the label; `label` gives it for a row, whose place and ids alone may tell. */
function makeNoise(label: (row: number, chance: number) => 0 | 1): Record<string, string> {
  const random = makeRandom(77);
  const word = () => WORDS[Math.floor(random() * WORDS.length)] ?? '';
  const cells = (i: number) => {
    const place = `p${Math.floor(random() * 300)}/${Math.floor(random() * 9)}`;
    const text = `${word()} ${word()} and ${word()} by the ${word()} ${word()}`;
    return [i + 1, random().toFixed(4), place, word(), random() < 0.2 ? '' : random().toFixed(3), text, label(i, random())];
  };
  const header = ['id', 'x', 'place', 'word', 'hole', 'note'];
  return {
    'train.csv': makeCsv([...header, 'y'], ROWS, cells),
    'test.csv': makeCsv(header, TESTS, (i) => cells(i + ROWS).slice(0, -1)),
    'sample_submission.csv': makeCsv(['id', 'y'], TESTS, (i) => [i + ROWS + 1, 0.5]),
  };
}

const beats = (score: number) => Math.abs(score - 0.5) < MOST_ERROR;
const KINDS: Kind[] = [
  { title: 'labels by chance', metric: 'auc', beats, files: () => makeNoise((_, chance) => (chance < 0.5 ? 1 : 0)) },
  {
    title: 'labels that only the order of the rows and the id tell',
    metric: 'auc',
    beats,
    files: () => makeNoise((row) => (row < ROWS / 2 ? 1 : 0)),
  },
];

for (const kind of KINDS) {
  test.serial(`every recipe scores as chance: ${kind.title}`, async (t) => {
    t.timeout(300_000);
    for (const program of PROGRAMS.filter((name) => !OF_ANSWERS.has(name))) await checkProgram(t, program, kind);
  });
}
