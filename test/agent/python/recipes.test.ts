import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { loadRecipes } from '#agent/search/recipes.ts';
import { PYTHON } from '#test/_support/python.ts';
import { instancesShape } from './_instance-shapes.ts';
import { quantilesShape } from './_forecast-shapes.ts';
import { listsShape, masksShape, textsShape } from './_shapes.ts';
import { fixTask, makeCsv, makeFolder, makeRandom, openHarness, writeFiles } from './_harness.ts';
import { checkProgram, OF_ANSWERS, PROGRAMS, RECIPES, runFile, runProgram } from './_recipes.ts';
import type { Kind } from './_recipes.ts';

/** Those of competitions without labels. */
const UNLABELLED = ['tour_search', 'four_in_a_row_quick', 'four_in_a_row_search'];
const random = makeRandom(21);
const normal = () => random() + random() + random() - 1.5;
const WORDS = { sea: ['ship', 'wave', 'sail', 'shore'], land: ['field', 'wood', 'path', 'hill'], sky: ['cloud', 'wing', 'star', 'wind'] };
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

function table(header: string[], targets: string[], cells: (i: number) => (string | number)[]): Record<string, string> {
  const width = header.length;
  return {
    'train.csv': makeCsv([...header, ...targets], 240, cells),
    'test.csv': makeCsv(header, 60, (i) => cells(i + 240).slice(0, width)),
    'sample_submission.csv': makeCsv([header[0] ?? 'id', ...targets], 60, (i) => [i + 240, ...targets.map(() => 0)]),
  };
}

const CITIES = ['one', 'two', 'three', 'four'];
const up = (score: number, baseline: number) => score > baseline + 0.1;
const down = (score: number, baseline: number) => score < 0.8 * baseline;

const KINDS: Kind[] = [
  {
    title: 'two classes with holes and categories',
    metric: 'auc',
    beats: up,
    files: () =>
      table(['id', 'x', 'hole', 'shop', 'flag'], ['y'], (i) => {
        const [x, shop] = [normal(), pick(['north', 'south', 'east/1', 'west/2'])];
        return [
          i,
          x.toFixed(3),
          random() < 0.2 ? '' : normal().toFixed(2),
          shop,
          i % 2 ? 'True' : 'False',
          x + (shop === 'north' ? 1 : 0) + normal() / 3 > 0.3 ? 1 : 0,
        ];
      }),
  },
  {
    title: 'several classes from text',
    metric: 'f1_macro',
    beats: up,
    files: () =>
      table(['id', 'note'], ['place'], (i) => {
        const place = pick(['sea', 'land', 'sky'] as const);
        return [i, `${pick(WORDS[place])} and ${pick(WORDS[place])} number ${i} ${pick(WORDS[pick(['sea', 'land'] as const)])}`, place];
      }),
  },
  {
    title: 'two targets that are numbers',
    metric: 'rmse_mean_columns',
    beats: down,
    files: () =>
      table(['id', 'x', 'z'], ['a', 'b'], (i) => {
        const [x, z] = [normal() * 10, normal() * 5];
        return [i, x.toFixed(3), z.toFixed(3), (3 * x + normal()).toFixed(3), (x - 2 * z).toFixed(3)];
      }),
  },
  {
    title: 'groups with a skewed positive number',
    metric: 'rmsle',
    beats: down,
    files: () =>
      table(['id', 'patient_id', 'x'], ['cost'], (i) => {
        const x = normal();
        return [i, `p${Math.floor(i / 6)}`, x.toFixed(4), Math.exp(3 + 2 * x + normal() / 5).toFixed(2)];
      }),
  },
  {
    title: 'time',
    metric: 'mae',
    beats: down,
    files: () =>
      table(['id', 'day', 'x'], ['y'], (i) => {
        const [x, day] = [normal() * 4, new Date(Date.UTC(2021, 0, 1 + Math.floor(i / 2))).toISOString().slice(0, 10)];
        return [i, day, x.toFixed(3), (5 * x + (i % 14) / 7 + normal()).toFixed(3)];
      }),
  },
  {
    title: 'what only tables beside tell',
    metric: 'auc',
    beats: up,
    files: () => {
      const orders: (string | number)[][] = [];
      const files = table(['client_id', 'city', 'x'], ['y'], (i) => {
        const rich = i % 3 === 0;
        for (let order = 0; order < 3; order += 1) orders.push([i, (normal() + (rich ? 4 : 3)).toFixed(3), pick(['card', 'cash'])]);
        return [i, CITIES[i % CITIES.length] ?? '', normal().toFixed(2), rich !== (i % CITIES.length === 2) ? 1 : 0];
      });
      return {
        ...files,
        'orders.csv': makeCsv(['client_id', 'amount', 'paid_by'], orders.length, (i) => orders[i] ?? []),
        'cities.csv': makeCsv(['city', 'height'], CITIES.length, (i) => [CITIES[i] ?? '', 100 * i]),
      };
    },
  },
  { title: 'quantiles', metric: 'mean_pinball', beats: down, files: () => quantilesShape(240).files },
  {
    title: 'survival',
    metric: 'concordance',
    beats: up,
    files: () => ({
      ...table(['id', 'x', 'z'], ['efs_time', 'efs'], (i) => {
        const [x, limit] = [normal() * 2, random() * 60];
        const time = -Math.log(1 - random()) * 20 * Math.exp(-1.5 * x);
        return [i, x.toFixed(4), normal().toFixed(3), Math.min(time, limit).toFixed(2), time <= limit ? 1 : 0];
      }),
      'sample_submission.csv': makeCsv(['id', 'prediction'], 60, (i) => [i + 240, 0]),
    }),
  },
];

/** Two halves that say the opposite of each other, of which only one counts: with even weights nothing can be learned. */
const WEIGHTED: Kind[] = [
  {
    title: 'numbers, of rows that count unequally',
    metric: 'wrmse',
    beats: down,
    files: () => makeWeighted((x, sign) => (sign * 5 * x + normal()).toFixed(3)),
  },
  {
    title: 'classes, of rows that count unequally',
    metric: 'weighted_logloss',
    beats: down,
    files: () => makeWeighted((x, sign) => (sign * x > 0 ? 1 : 0)),
  },
];

function makeWeighted(answer: (x: number, sign: number) => string | number): Record<string, string> {
  const cells = (i: number) => {
    const [x, counts] = [normal() * 2, i % 2 === 0];
    return [i, x.toFixed(4), WORDS.sea[i % 4] ?? '', counts ? 1 : 0.001, answer(x, counts ? 1 : -1)];
  };
  return {
    'train.csv': makeCsv(['id', 'x', 'word', 'weight', 'y'], 400, cells),
    'test.csv': makeCsv(['id', 'x', 'word'], 60, (i) => cells(i + 400).slice(0, 3)),
    'sample_submission.csv': makeCsv(['id', 'y'], 60, (i) => [i + 400, 0]),
  };
}

for (const kind of KINDS) {
  test.serial(`every recipe is clearly better than a constant: ${kind.title}`, async (t) => {
    t.timeout(300_000);
    const wordsOnly = kind.title.includes('text');
    for (const program of PROGRAMS.filter((name) => !OF_ANSWERS.has(name) && (wordsOnly || name !== 'text_linear')))
      await checkProgram(t, program, kind);
  });
}

for (const kind of WEIGHTED) {
  test.serial(`recipes learn what the metric counts: ${kind.title}`, async (t) => {
    t.timeout(300_000);
    for (const program of PROGRAMS.filter((name) => !OF_ANSWERS.has(name))) await checkProgram(t, program, kind);
  });
}

for (const [title, shape, least] of [
  ['masks', masksShape(), 0.05],
  ['lists', listsShape('map_of_lists'), 0.1],
  ['sets', listsShape('f1_of_sets'), 0.1],
  ['free text', textsShape(), 5],
] as const) {
  test.serial(`what the nearest rows answer is clearly better than one answer for all: ${title}`, async (t) => {
    await checkProgram(t, 'nearest_answers', {
      title,
      metric: shape.metric,
      beats: (score, baseline) => score > baseline + least,
      files: () => ({ ...shape.files, ...shape.media }),
    });
  });
}

for (const [title, shape, least] of [
  ['one mask an image', masksShape(), 0.7],
  ['several masks an image', instancesShape(), 0.7],
] as const) {
  test.serial(`what pixels look like finds what is marked: ${title}`, async (t) => {
    const files = () => ({ ...shape.files, ...shape.media });
    await checkProgram(t, 'image_pixels', { title, metric: shape.metric, beats: (score) => score > least, files });
  });
}

/** Descriptions whose first sentence, after its opening, is the answer. */
function extractShape(rows: number, tests: number): Record<string, string> {
  const words = ['quick', 'small', 'library', 'parser', 'game', 'chess', 'text', 'mail', 'server', 'viewer', 'image', 'audio', 'graph'];
  const next = makeRandom(33);
  const say = (count: number) => Array.from({ length: count }, () => words[Math.floor(next() * words.length)]).join(' ');
  const cells = (i: number): (string | number)[] => {
    const answer = say(5);
    return [i, `Tool ${i} is a ${answer}. It can ${say(6)}. See the ${say(4)}.`, answer];
  };
  return {
    'train.csv': makeCsv(['id', 'about', 'line'], rows, cells),
    'test.csv': makeCsv(['id', 'about'], tests, (i) => cells(i + rows).slice(0, 2)),
    'sample_submission.csv': makeCsv(['id', 'line'], tests, (i) => [i + rows, 'a tool']),
  };
}

for (const [metric, most] of [
  ['chrf', 100],
  ['cer', 0],
] as const) {
  test.serial(`the piece of a text that answers is found: ${metric}`, async (t) => {
    const beats = (score: number) => Math.abs(score - most) < 1e-6;
    await checkProgram(t, 'text_extract', { title: metric, metric, beats, files: () => extractShape(240, 60) });
  });
}

test.serial('among many rows the nearest text is found by its words', async (t) => {
  t.timeout(240_000);
  const beats = (score: number, baseline: number) => score > baseline + 5;
  const kind = { title: 'many texts', metric: 'chrf', beats, files: () => extractShape(11_000, 200) } as const;
  await checkProgram(t, 'nearest_answers', kind);
});

test.serial('every recipe learns from images alone', async (t) => {
  t.timeout(300_000);
  const shape = masksShape();
  const train = (shape.files['train.csv'] ?? '').replaceAll(/,(.+)$/gm, (_, label: string) => (label === 'pixels' ? ',found' : ',1'));
  const files = {
    ...shape.media,
    'train.csv': train.replaceAll(/,$/gm, ',0'),
    'sample_submission.csv': (shape.files['sample_submission.csv'] ?? '').replaceAll(/,.*$/gm, (label) =>
      label === ',pixels' ? ',found' : ',0.5',
    ),
  };
  for (const program of ['gradient_boosting', 'xgboost_shallow', 'linear', 'extra_trees'])
    await checkProgram(t, program, { title: 'images', metric: 'auc', beats: up, files: () => files });
});

/** A second of a tone at 8 kHz, 16 bits: low or high, with some noise. */
function makeTone(hertz: number): Uint8Array {
  const wav = Buffer.alloc(44 + 2 * 8000);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + 2 * 8000, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  for (const [value, at] of [
    [1, 20],
    [1, 22],
    [2, 32],
    [16, 34],
  ] as const)
    wav.writeUInt16LE(value, at);
  wav.writeUInt32LE(8000, 24);
  wav.writeUInt32LE(16_000, 28);
  wav.write('data', 36);
  wav.writeUInt32LE(2 * 8000, 40);
  for (let i = 0; i < 8000; i += 1) {
    const sample = 6000 * Math.sin((2 * Math.PI * hertz * i) / 8000) + 4000 * (random() - 0.5);
    wav.writeInt16LE(Math.round(sample), 44 + 2 * i);
  }
  return wav;
}

function soundsShape(suffix: string, content: (isHigh: boolean) => Uint8Array): Record<string, string | Uint8Array> {
  const labels = Array.from({ length: 150 }, () => random() < 0.5);
  const name = (i: number) => `s${String(i).padStart(4, '0')}.${suffix}`;
  const media = Object.fromEntries(labels.map((isHigh, i) => [`sounds/${name(i)}`, content(isHigh)]));
  return {
    ...media,
    'train.csv': makeCsv(['id', 'file', 'high'], 120, (i) => [i, name(i), labels[i] ? 1 : 0]),
    'test.csv': makeCsv(['id', 'file'], 30, (i) => [i + 120, name(i + 120)]),
    'sample_submission.csv': makeCsv(['id', 'high'], 30, (i) => [i + 120, 0.5]),
  };
}

test.serial('every recipe learns from sounds alone, and answers alike where files tell nothing', async (t) => {
  t.timeout(300_000);
  const sounds = soundsShape('wav', (isHigh) => makeTone(isHigh ? 1200 : 400));
  const nothing = soundsShape('wav', () => Buffer.from(String(random())));
  for (const program of ['gradient_boosting', 'xgboost_shallow', 'linear', 'extra_trees']) {
    await checkProgram(t, program, { title: 'sounds', metric: 'auc', beats: up, files: () => sounds });
    await checkProgram(t, program, { title: 'nothing', metric: 'auc', beats: (score) => score === 0.5, files: () => nothing });
  }
});

test.serial('the same run gives the same bytes', async (t) => {
  t.timeout(300_000);
  const kind = KINDS[0];
  if (!kind) return t.fail();
  const harness = openHarness(t);
  await fixTask(t, harness, { dataDir: await writeFiles(t, kind.files()), metric: kind.metric });
  const [run] = (await harness.cut({ fold_count: 2 })).runs;
  if (!run) return t.fail();
  const work = await writeFiles(t, { 'params.json': '{"effort": "fast"}' });
  for (const program of ['gradient_boosting', 'xgboost_shallow', 'extra_trees']) {
    const outputs: string[] = [];
    for (const name of ['a', 'b']) {
      const out = join(await makeFolder(t), name);
      await runProgram(program, run, out, join(work, 'params.json'));
      outputs.push(await readFile(join(out, 'scores.csv'), 'utf8'));
      t.true((await stat(join(out, 'notes.json'))).size <= 4096);
    }
    t.is(outputs[0], outputs[1], program);
  }
});

test.serial('boosting answers with the models of its inner splits, too, but not where they lack the latest rows', async (t) => {
  t.timeout(300_000);
  for (const [title, models] of [
    ['two classes with holes and categories', 3],
    ['time', 1],
  ] as const) {
    const kind = KINDS.find((each) => each.title === title);
    if (!kind) return t.fail(title);
    const harness = openHarness(t);
    await fixTask(t, harness, { dataDir: await writeFiles(t, kind.files()), metric: kind.metric });
    const [run] = (await harness.cut({ fold_count: 2 })).runs;
    if (!run) return t.fail('no fold');
    const work = await writeFiles(t, { 'params.json': '{"effort": "fast"}' });
    for (const program of ['gradient_boosting', 'xgboost_shallow']) {
      const out = join(work, program);
      await runProgram(program, run, out, join(work, 'params.json'));
      t.like(JSON.parse(await readFile(join(out, 'notes.json'), 'utf8')), { models }, `${program} on ${title}`);
    }
  }
});

test('dates of a column are read in one format where that reads all, else each by itself; what cannot be read is missing', async (t) => {
  const script = `
import sys
import numpy as np, pandas as pd
TASK = {"shape": "rows"}
exec(open(sys.argv[1]).read())
for texts in (["31/12/2001", "01/02/2001", None, "31/12/2001"], ["2001-01-05", "5 March 2001", "never", None]):
    print(parse_dates(pd.Series(texts, index=[7, 8, 9, 10], dtype="object")).dt.strftime("%Y-%m-%d").to_dict())
`;
  const { stdout } = await runFile(PYTHON, ['-I', '-B', '-c', script, join(RECIPES, 'parts/splits.py')]);
  t.deepEqual(stdout.trim().split('\n'), [
    "{7: '2001-12-31', 8: '2001-02-01', 9: nan, 10: '2001-12-31'}",
    "{7: '2001-01-05', 8: '2001-03-05', 9: nan, 10: nan}",
  ]);
});

test('the assembled recipes are not stale, need nothing beside them, and the index names them all', async (t) => {
  await t.notThrowsAsync(runFile(PYTHON, ['-I', '-B', join(RECIPES, 'assemble.py'), '--check']));
  const recipes = await loadRecipes();
  const files = new Set(recipes.map((recipe) => recipe.program.split('/').at(-1)));
  t.deepEqual([...files].toSorted(), [...PROGRAMS, ...UNLABELLED].map((name) => `${name}.py`).toSorted());
  t.is(new Set(recipes.map((recipe) => recipe.name)).size, recipes.length);
  for (const name of [...PROGRAMS, ...UNLABELLED, 'play_positions'])
    t.notRegex(await readFile(join(RECIPES, `${name}.py`), 'utf8'), /^(from|import) (parts|task|splits|columns|text)\b/m);
});
