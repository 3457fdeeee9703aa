import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { MetricId, RunFolders } from '#agent/evaluate/harness-protocol.ts';
import { makeCsv, makeRandom } from './_harness.ts';

/** The fold vector as the harness stores it. */
export const StoredFolds = z.looseObject({ vector: z.array(z.int()) });

/** A competition of one shape, and how its labels are changed. */
export interface Shape {
  files: Record<string, string>;
  metric: MetricId;
  shape: 'rows' | 'groups' | 'time';
  target: string;
  relabel: (label: string, row: number) => string;
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
    target: 'y',
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
    target: 'y',
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
    target: 'y',
    relabel: move,
    files: {
      'train.csv': makeCsv(['id', 'date', 'u', 'y'], 300, (i) => [i, day(i), random().toFixed(4), (random() * 9).toFixed(2)]),
      'test.csv': makeCsv(['id', 'date', 'u'], 40, (i) => [i + 300, day(i + 300), random().toFixed(4)]),
      'sample_submission.csv': makeCsv(['id', 'y'], 40, (i) => [i + 300, 0]),
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

/** The training file with the label of every row of `fold` changed. */
export function relabelled(shape: Shape, vector: readonly number[], fold: number): string {
  const [header = '', ...lines] = (shape.files['train.csv'] ?? '').trim().split('\n');
  const changed = lines.map((line, row) => {
    if (vector[row] !== fold) return line;
    const at = line.lastIndexOf(',') + 1;
    return line.slice(0, at) + shape.relabel(line.slice(at), row);
  });
  return `${[header, ...changed].join('\n')}\n`;
}
