import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ExecutionContext } from 'ava';
import type { RunFolders } from '#agent/evaluate/harness-protocol.ts';
import type { MetricId } from '#agent/evaluate/metric-ids.ts';
import { PYTHON } from '../../_support/python.ts';
import { fixTask, makeCsv, makeRandom, openHarness, readCsv, writeFiles } from './_harness.ts';
import { encodeRuns, makePng } from './_images.ts';

const runFile = promisify(execFile);

/** The fold vector as the harness stores it. */
export const StoredFolds = z.looseObject({ vector: z.array(z.int()) });

/** A competition of one shape, and how its labels are changed. */
export interface Shape {
  files: Record<string, string>;
  /** For each row of train.csv its row in the fold vector, where several are one. */
  units?: readonly number[];
  /** Files that are no text. */
  media?: Record<string, Uint8Array>;
  metric: MetricId;
  shape: 'rows' | 'groups' | 'time' | 'panel' | 'recommender';
  /** Label columns, the last ones of train.csv. */
  targets: readonly string[];
  relabel: (label: string, row: number, target: string) => string;
}

const flip = (label: string) => (label === '1' ? '0' : '1');
const move = (label: string, row: number) => (Number(label) * 3 + row + 0.25).toFixed(2);

/** Its files. */
export function rowsShape(): Shape {
  const random = makeRandom(11);
  const cells = (id: number) => [id, random().toFixed(4), random() < 0.1 ? '' : Math.floor(random() * 50), ['a', 'b', 'c'][id % 3] ?? ''];
  return {
    shape: 'rows',
    metric: 'auc',
    targets: ['y'],
    relabel: flip,
    files: {
      'train.csv': makeCsv(['id', 'u', 'v', 'w', 'y'], 200, (i) => [...cells(i), i % 4 === 0 ? 1 : 0]),
      'test.csv': makeCsv(['id', 'u', 'v', 'w'], 80, (i) => cells(i + 200)),
      'sample_submission.csv': makeCsv(['id', 'y'], 80, (i) => [i + 200, 0]),
    },
  };
}

/** Its files. */
export function numbersShape(): Shape {
  const shape = rowsShape();
  const random = makeRandom(5);
  const train = makeCsv(['id', 'u', 'y'], 150, (i) => [i, random().toFixed(4), (random() * 100).toFixed(2)]);
  const tests = makeCsv(['id', 'u'], 600, (i) => [i + 150, random().toFixed(4)]);
  return { ...shape, metric: 'rmse', relabel: move, files: { 'train.csv': train, 'test.csv': tests } };
}

/** Its files. */
export function groupsShape(): Shape {
  const random = makeRandom(12);
  return {
    shape: 'groups',
    metric: 'rmse',
    targets: ['y'],
    relabel: move,
    files: {
      'train.csv': makeCsv(['id', 'patient_id', 'u', 'y'], 240, (i) => [
        i,
        Math.floor(i / 6),
        random().toFixed(4),
        (random() * 9).toFixed(2),
      ]),
      'test.csv': makeCsv(['id', 'patient_id', 'u'], 60, (i) => [i + 240, 100 + Math.floor(i / 6), random().toFixed(4)]),
      'sample_submission.csv': makeCsv(['id', 'y'], 60, (i) => [i + 240, 0]),
    },
  };
}

/** Its files. */
export function timeShape(): Shape {
  const random = makeRandom(13);
  const day = (i: number) => new Date(Date.UTC(2020, 0, 1 + Math.floor(i / 2))).toISOString().slice(0, 10);
  return {
    shape: 'time',
    metric: 'mae',
    targets: ['y'],
    relabel: move,
    files: {
      'train.csv': makeCsv(['id', 'date', 'u', 'y'], 300, (i) => [i, day(i), random().toFixed(4), (random() * 9).toFixed(2)]),
      'test.csv': makeCsv(['id', 'date', 'u'], 40, (i) => [i + 300, day(i + 300), random().toFixed(4)]),
      'sample_submission.csv': makeCsv(['id', 'y'], 40, (i) => [i + 300, 0]),
    },
  };
}

const DAYS = 60;
const NEXT_DAYS = 10;
const STORES = ['north', 'south', 'east', 'west'];
const isoDay = (day: number) => new Date(Date.UTC(2021, 0, 1 + day)).toISOString().slice(0, 10);

/**
 * Four stores over sixty days; the test is the ten days after. `lag_3` is given in the test for three days, `so_far` stands still there,
 * `notes` is in the training set only, and tables are beside: of stores, of visits until the last training day, of the weather of all days.
 */
export function panelShape(): Shape {
  const random = makeRandom(14);
  const sold = STORES.map(() => Array.from({ length: DAYS + NEXT_DAYS }, () => Math.floor(random() * 50)));
  const total = (store: number, day: number) => sold[store]?.slice(0, day).reduce((sum, value) => sum + value, 0) ?? 0;
  const at = (row: number, first: number) => ({ store: row % STORES.length, day: first + Math.floor(row / STORES.length) });
  const lag = (store: number, day: number, known: number) => (day - 3 < 0 || day - 3 >= known ? '' : (sold[store]?.[day - 3] ?? ''));
  const train = makeCsv(['id', 'date', 'store', 'u', 'lag_3', 'so_far', 'notes', 'sales'], DAYS * STORES.length, (i) => {
    const { store, day } = at(i, 0);
    const cells = [i, isoDay(day), STORES[store] ?? '', random().toFixed(4), lag(store, day, DAYS), total(store, day)];
    return [...cells, Math.floor(random() * 9), sold[store]?.[day] ?? 0];
  });
  const test = makeCsv(['id', 'date', 'store', 'u', 'lag_3', 'so_far'], NEXT_DAYS * STORES.length, (i) => {
    const { store, day } = at(i, DAYS);
    return [1_000 + i, isoDay(day), STORES[store] ?? '', random().toFixed(4), lag(store, day, DAYS), total(store, DAYS - 1)];
  });
  return {
    shape: 'panel',
    metric: 'rmse',
    targets: ['sales'],
    relabel: move,
    files: {
      'train.csv': train,
      'test.csv': test,
      'sample_submission.csv': makeCsv(['id', 'sales'], NEXT_DAYS * STORES.length, (i) => [1_000 + i, 0]),
      'stores.csv': makeCsv(['store', 'size'], STORES.length, (i) => [STORES[i] ?? '', 100 * (i + 1)]),
      'visits.csv': makeCsv(['date', 'store', 'visits'], DAYS * STORES.length, (i) => {
        const { store, day } = at(i, 0);
        return [isoDay(day), STORES[store] ?? '', Math.floor(random() * 500)];
      }),
      'weather.csv': makeCsv(['date', 'rain'], DAYS + NEXT_DAYS, (i) => [isoDay(i), random().toFixed(3)]),
    },
  };
}

const CLIENTS = 240;
const NEW_CLIENTS = 80;

/** Clients by number; test clients come later. Their orders lie in a second table, one that tells the answers in a third, details of training clients in a fourth. */
export function tablesShape(): Shape {
  const random = makeRandom(15);
  const label = Array.from({ length: CLIENTS + NEW_CLIENTS }, () => (random() < 0.4 ? 1 : 0));
  const orders: (string | number)[][] = [];
  for (let client = 0; client < CLIENTS + NEW_CLIENTS; client += 1)
    for (let i = 0; i < 1 + (client % 4); i += 1)
      orders.push([5_000 + client, (random() * 90).toFixed(2), ['card', 'cash'][client % 2] ?? '']);
  const cells = (client: number) => [5_000 + client, random().toFixed(4), client % 7];
  return {
    shape: 'rows',
    metric: 'auc',
    targets: ['bought'],
    relabel: flip,
    files: {
      'train.csv': makeCsv(['client_id', 'u', 'v', 'bought'], CLIENTS, (i) => [...cells(i), label[i] ?? 0]),
      'test.csv': makeCsv(['client_id', 'u', 'v'], NEW_CLIENTS, (i) => cells(CLIENTS + i)),
      'sample_submission.csv': makeCsv(['client_id', 'bought'], NEW_CLIENTS, (i) => [5_000 + CLIENTS + i, 0]),
      'orders.csv': makeCsv(['client_id', 'amount', 'paid_by'], orders.length, (i) => orders[i] ?? []),
      'outcomes.csv': makeCsv(['client_id', 'came_back', 'age'], CLIENTS + NEW_CLIENTS, (i) => [
        5_000 + i,
        label[i] === 1 ? 'yes' : 'no',
        20 + Math.floor(random() * 50),
      ]),
      'details.csv': makeCsv(['client_id', 'length'], CLIENTS, (i) => [5_000 + i, Math.floor(random() * 30)]),
    },
  };
}

/** How long patients were watched, and whether an event ended it. */
export function survivalShape(): Shape {
  const random = makeRandom(16);
  const rows = Array.from({ length: 300 }, () => {
    const u = random() * 2 - 1;
    const time = -Math.log(1 - random()) * 20 * Math.exp(-1.5 * u);
    const limit = random() * 60;
    return { u: u.toFixed(4), v: Math.floor(random() * 5), time: Math.min(time, limit).toFixed(2), event: time <= limit ? 1 : 0 };
  });
  const at = (i: number) => rows[i] ?? { u: '', v: 0, time: '', event: 0 };
  return {
    shape: 'rows',
    metric: 'concordance',
    targets: ['efs_time', 'efs'],
    relabel: (value, row, target) => (target === 'efs' ? flip(value) : move(value, row)),
    files: {
      'train.csv': makeCsv(['id', 'u', 'v', 'efs_time', 'efs'], 220, (i) => [i, at(i).u, at(i).v, at(i).time, at(i).event]),
      'test.csv': makeCsv(['id', 'u', 'v'], 80, (i) => [220 + i, at(220 + i).u, at(220 + i).v]),
      'sample_submission.csv': makeCsv(['id', 'prediction'], 80, (i) => [220 + i, 0.5]),
    },
  };
}

/** Several targets, of which the test shows none. */
export function targetsShape(): Shape {
  const random = makeRandom(17);
  const number = () => (random() * 9).toFixed(2);
  return {
    shape: 'rows',
    metric: 'rmse_mean_columns',
    targets: ['y1', 'y2'],
    relabel: move,
    files: {
      'train.csv': makeCsv(['id', 'u', 'only_here', 'y1', 'y2'], 200, (i) => [i, random().toFixed(4), i % 5, number(), number()]),
      'test.csv': makeCsv(['id', 'u', 'only_there'], 60, (i) => [200 + i, random().toFixed(4), i % 3]),
      'sample_submission.csv': makeCsv(['id', 'y1', 'y2'], 60, (i) => [200 + i, 0, 0]),
    },
  };
}

const SIDE = 12;

/**
 * Images of patients, three each; the test has other patients. Bright squares are marked by run lengths; an image without one has none.
 */
export function masksShape(): Shape {
  const random = makeRandom(18);
  const media: Record<string, Uint8Array> = {};
  const runs: string[] = [];
  const name = (i: number) => `p${Math.floor(i / 3)}_v${i % 3}.png`;
  for (let i = 0; i < 150; i += 1) {
    const [left, top, size] = [Math.floor(random() * 6), Math.floor(random() * 6), i % 5 === 0 ? 0 : 3 + Math.floor(random() * 3)];
    const isMarked = (x: number, y: number) => x >= left && x < left + size && y >= top && y < top + size;
    media[`${i < 120 ? 'train' : 'test'}/${name(i)}`] = makePng(
      SIDE,
      SIDE,
      (x, y) => (isMarked(x, y) ? 200 : 40) + Math.floor(random() * 30),
    );
    runs.push(encodeRuns(SIDE, SIDE, isMarked));
  }
  return {
    shape: 'groups',
    metric: 'dice_by_image',
    targets: ['pixels'],
    relabel: (label) => (label === '' ? '1 2' : ''),
    media,
    files: {
      'train.csv': makeCsv(['image', 'pixels'], 120, (i) => [name(i), runs[i] ?? '']),
      'sample_submission.csv': makeCsv(['image', 'pixels'], 30, (i) => [name(120 + i), '1 1']),
    },
  };
}

/** Images with boxes, a row each; every fifth image has none. */
export function boxesShape(): Shape {
  const random = makeRandom(22);
  const media: Record<string, Uint8Array> = {};
  const rows: string[] = [];
  const units: number[] = [];
  const name = (i: number) => `img${i}`;
  for (let i = 0; i < 150; i += 1) {
    const boxes = Array.from({ length: i % 5 === 0 ? 0 : 1 + (i % 2) }, (_, place) => [
      6 * place,
      Math.floor(random() * 6),
      3 + (i % 3),
      4,
    ]);
    const isInside = (x: number, y: number) => boxes.some(([l = 0, t = 0, w = 0, h = 0]) => x >= l && x < l + w && y >= t && y < t + h);
    media[`${i < 120 ? 'train' : 'test'}/${name(i)}.png`] = makePng(
      SIDE,
      SIDE,
      (x, y) => (isInside(x, y) ? 210 : 30) + Math.floor(random() * 9),
    );
    for (const box of i >= 120 ? [] : boxes.length > 0 ? boxes : [['', '', '', '']]) {
      rows.push([name(i), ...box].join(','));
      units.push(i);
    }
  }
  return {
    shape: 'rows',
    metric: 'box_precision',
    targets: ['x', 'y', 'w', 'h'],
    relabel: (label) => (label === '' ? '1' : String((Number(label) % 5) + 1)),
    units,
    media,
    files: {
      'train.csv': `image_id,x,y,w,h\n${rows.join('\n')}\n`,
      'sample_submission.csv': makeCsv(['image_id', 'PredictionString'], 30, (i) => [name(120 + i), '1.0 0 0 5 5']),
    },
  };
}

const TAGS = ['red', 'green', 'blue', 'round', 'flat', 'old'];

/** Several tags a row, and a number that tells some of them. */
export function listsShape(metric: 'map_of_lists' | 'f1_of_sets'): Shape {
  const random = makeRandom(19);
  const rows = Array.from({ length: 560 }, () => {
    const u = random();
    return { u: u.toFixed(4), tags: TAGS.filter((_, place) => Math.abs(place / 5 - u) < 0.25 || random() < 0.1).join(' ') };
  });
  return {
    shape: 'rows',
    metric,
    targets: ['tags'],
    relabel: (label) => (label.startsWith('red') ? 'old flat' : 'red'),
    files: {
      'train.csv': makeCsv(['id', 'u', 'tags'], 500, (i) => [i, rows[i]?.u ?? '', rows[i]?.tags ?? '']),
      'test.csv': makeCsv(['id', 'u'], 60, (i) => [500 + i, rows[500 + i]?.u ?? '']),
      'sample_submission.csv': makeCsv(['id', 'tags'], 60, (i) => [500 + i, 'red green blue']),
    },
  };
}

/** A sentence for each row, made of what its columns say. */
export function textsShape(): Shape {
  const random = makeRandom(20);
  const [sizes, things] = [
    ['small', 'large', 'tiny'],
    ['lamp', 'chair', 'table', 'door', 'cup'],
  ];
  const rows = Array.from({ length: 260 }, () => [sizes[Math.floor(random() * 3)] ?? '', things[Math.floor(random() * 5)] ?? '']);
  const cells = (i: number) => [i, ...(rows[i] ?? [])];
  return {
    shape: 'rows',
    metric: 'chrf',
    targets: ['line'],
    relabel: (label, row) => `nothing like ${row} ${label.length}`,
    files: {
      'train.csv': makeCsv(['id', 'size', 'thing', 'line'], 200, (i) => [
        ...cells(i),
        `this is a ${rows[i]?.[0] ?? ''} ${rows[i]?.[1] ?? ''} number ${i % 40}`,
      ]),
      'test.csv': makeCsv(['id', 'size', 'thing'], 60, (i) => cells(200 + i)),
      'sample_submission.csv': makeCsv(['id', 'line'], 60, (i) => [200 + i, 'this is it']),
    },
  };
}

/** Everything that a run could see of its folders: names, order, sizes, times, modes and bytes. */
async function fingerprint(folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(folder, { recursive: true })).toSorted()) {
    const info = await stat(join(folder, name));
    const bytes = info.isFile()
      ? createHash('sha256')
          .update(await readFile(join(folder, name)))
          .digest('hex')
      : 'folder';
    lines.push(`${name} ${info.size * (info.isFile() ? 1 : 0)} ${info.mtimeMs} ${info.mode.toString(8)} ${bytes}`);
  }
  return lines;
}

/** Of both folders of a run. */
export async function fingerprints(run: RunFolders): Promise<string[][]> {
  return [await fingerprint(run.train_dir), await fingerprint(run.predict_dir)];
}

/** The training file with every label of the rows of `fold` changed. */
export function relabelled(shape: Shape, vector: readonly number[], fold: number): string {
  const [header = '', ...lines] = (shape.files['train.csv'] ?? '').trim().split('\n');
  const count = shape.targets.length;
  const changed = lines.map((line, row) => {
    if (vector[shape.units?.[row] ?? row] !== fold) return line;
    const cells = line.split(',');
    const labels = cells.slice(-count).map((label, i) => shape.relabel(label, row, shape.targets[i] ?? ''));
    return [...cells.slice(0, -count), ...labels].join(',');
  });
  return `${[header, ...changed].join('\n')}\n`;
}

/** The rows of a CSV file of a run. */
export async function readRows(folder: string, name: string): Promise<Record<string, string>[]> {
  return readCsv(await readFile(join(folder, name), 'utf8'));
}

/** A harness with the shape's task fixed and cut. */
export async function openShape(t: ExecutionContext, shape: Shape, foldCount = 4) {
  const harness = openHarness(t);
  const fixed = await fixTask(t, harness, { dataDir: await writeFiles(t, { ...shape.files, ...shape.media }), metric: shape.metric });
  return { harness, ...fixed, cut: await harness.cut({ fold_count: foldCount }) };
}

/** A Parquet table as rows of text. */
export async function readTable(folder: string, name: string): Promise<Record<string, string>[]> {
  const program = 'import sys,pyarrow.parquet as p,pyarrow.csv as c; c.write_csv(p.read_table(sys.argv[1]), sys.stdout.buffer)';
  const { stdout } = await runFile(PYTHON, ['-I', '-c', program, join(folder, 'tables', `${name}.parquet`)]);
  return readCsv(stdout);
}
