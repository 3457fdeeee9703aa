import { appendFile, readFile } from 'node:fs/promises';
import { z } from 'zod';

/** A data set of the benchmark; the rest of its description is the builders' business. */
export const DataSet = z.object({ slug: z.string(), metric: z.string(), kind: z.string(), licence: z.string(), sealed: z.boolean() });
export type DataSet = z.infer<typeof DataSet>;

export const SYSTEMS = ['ours', 'autogluon-good', 'autogluon-best', 'flaml', 'flaml-ensemble'] as const;
export type SystemName = (typeof SYSTEMS)[number];

/** One solver on one split of one set, with one limit. */
export const Cell = z.object({
  set: z.string(),
  split: z.int(),
  system: z.enum(SYSTEMS),
  limitS: z.number(),
  /** What the solver was told: less than the limit where it is given no credit for what it runs over. */
  toldS: z.number(),
  version: z.string(),
  machine: z.string(),
  at: z.string(),
  seconds: z.number(),
  peakMemoryMib: z.number(),
  /** Why there is no valid file; null = there is one. */
  failure: z.string().nullable(),
  /** Smaller is better; null without a valid file. */
  loss: z.number().nullable(),
  naive: z.number().nullable(),
  /** The loss on resampled test rows, the same rows for every solver. */
  resampled: z.array(z.number()),
  /** Of ours alone: the 95 % interval that it promised, as losses, and when it had its first valid file. */
  promised: z.object({ low: z.number(), high: z.number() }).nullable(),
  firstValidS: z.number().nullable(),
});
export type Cell = z.infer<typeof Cell>;

/** Every set, in the file's order. */
export async function readSets(): Promise<DataSet[]> {
  return z.array(DataSet).parse(JSON.parse(await readFile(new URL('sets.json', import.meta.url), 'utf8')));
}

/** The kept results; of several of one cell the last. None where there is no file. */
export async function readCells(path: string): Promise<Cell[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const cells = new Map<string, Cell>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const cell = Cell.parse(JSON.parse(line));
    cells.set(nameCell(cell), cell);
  }
  return [...cells.values()];
}

/** Adds one result. */
export async function keepCell(path: string, cell: Cell): Promise<void> {
  await appendFile(path, `${JSON.stringify(cell)}\n`);
}

/** What is the same for two runs that can stand for each other. */
export function nameCell({ set, split, system, limitS, toldS }: Pick<Cell, 'set' | 'split' | 'system' | 'limitS' | 'toldS'>): string {
  return [set, split, system, limitS, toldS].join(' ');
}
