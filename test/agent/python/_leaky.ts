import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { PYTHON } from '#test/_support/python.ts';
import { makeFolder } from './_harness.ts';
import type { Shape } from './_shapes.ts';

const SOURCE = fileURLToPath(new URL('../../../agent/python', import.meta.url));

/** A step of the harness, and what makes it look at the labels of the rows that it must not show. */
export interface Leak {
  readonly title: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** The shape that the step belongs to; rows by default. */
  readonly shape?: () => Shape;
  /** Whether runs share their data on the disk. */
  readonly isShared?: boolean;
}

/** Something that starts the harness with one step changed. */
export async function makeLeaky(t: ExecutionContext, { file, from, to }: Pick<Leak, 'file' | 'from' | 'to'>): Promise<string> {
  const dir = await makeFolder(t);
  await cp(SOURCE, join(dir, 'python'), { recursive: true });
  const path = join(dir, 'python/kaggle_harness', file);
  const text = await readFile(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} has no line "${from}" any more: this test must follow`);
  await writeFile(path, text.replace(from, to));
  const starter = join(dir, 'start.sh');
  await writeFile(starter, `#!/bin/sh\nexec '${PYTHON}' -I -B '${join(dir, 'python/harness.py')}'\n`, { mode: 0o755 });
  return starter;
}
