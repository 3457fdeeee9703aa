import { realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';
import type { RunOrder } from './protocol.ts';

/** Where the runner lets programs and files of runs be. */
export interface AllowedPlaces {
  readonly runsDir: string;
  readonly recipesDir: string;
}

/**
 * The order with every path resolved, links followed. Throws an Error with one sentence when a path is missing, of the wrong kind or leads
 * out: programs are recipes or lie with their run, everything else lies with its run.
 */
export async function checkOrder(order: RunOrder, places: AllowedPlaces): Promise<RunOrder> {
  const [runsDir, recipesDir] = await Promise.all([realpath(places.runsDir), realpath(places.recipesDir)]);
  const program = await resolveInside('program', order.program, 'file', [runsDir, recipesDir]);
  const paramsFile = await resolveInside('paramsFile', order.paramsFile, 'file', [runsDir]);
  const trainDir = await resolveInside('trainDir', order.trainDir, 'folder', [runsDir]);
  const predictDir = await resolveInside('predictDir', order.predictDir, 'folder', [runsDir]);
  const outDir = await resolveInside('outDir', order.outDir, 'folder', [runsDir]);
  const scratchDir = await resolveInside('scratchDir', order.scratchDir, 'folder', [runsDir]);
  return { ...order, program, paramsFile, trainDir, predictDir, outDir, scratchDir };
}

async function resolveInside(name: string, path: string, kind: 'file' | 'folder', homes: readonly string[]): Promise<string> {
  const real = await realpath(path).catch(() => null);
  if (real === null) throw new Error(`${name} is not there`);
  if (!homes.some((home) => real.startsWith(`${home}${sep}`))) throw new Error(`${name} leads to a place that runs may not use`);
  const info = await stat(real);
  if (kind === 'file' ? !info.isFile() : !info.isDirectory()) throw new Error(`${name} is no ${kind}`);
  return real;
}
