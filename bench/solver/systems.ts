import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PROJECT_DIR } from '#local/config.ts';
import type { Cell, SystemName } from './cells.ts';
import { measureProgram } from './measure.ts';
import type { Measured } from './measure.ts';

const HERE = join(PROJECT_DIR, 'bench/solver');
/** A peer may take so much longer before it is ended: how far it runs over is one of the results. */
const PATIENCE_S = 120;

/** What `solve` says of its result. */
const Told = z.object({
  expected: z.object({ low: z.number(), high: z.number() }).nullable(),
  direction: z.enum(['maximize', 'minimize']),
  first_valid_seconds: z.number().nullable(),
});

/** What a solver made: how it ended, and the file if there is one. */
export interface Solved extends Pick<Cell, 'promised' | 'firstValidS'> {
  readonly measured: Measured;
  readonly submission: string | null;
}

/** The Python of one of the benchmark's environments, which the set-up made. */
export function pythonOf(name: 'sets' | 'autogluon' | 'flaml'): string {
  return join(PROJECT_DIR, '.setup', `bench-${name}`, 'bin/python');
}

/** Lets a solver work on a competition's folder, alone on the machine. */
export async function solve(
  system: SystemName,
  order: { readonly set: string; readonly folder: string; readonly outDir: string; readonly toldS: number },
): Promise<Solved> {
  await rm(order.outDir, { recursive: true, force: true });
  await mkdir(order.outDir, { recursive: true });
  return system === 'ours' ? solveByUs(order) : solveByPeer(system, order);
}

async function solveByUs({
  folder,
  outDir,
  toldS,
}: {
  readonly folder: string;
  readonly outDir: string;
  readonly toldS: number;
}): Promise<Solved> {
  const args = [
    join(PROJECT_DIR, 'cli/main.ts'),
    'solve',
    folder,
    '--no-llm',
    '--time-limit',
    String(toldS),
    '--out',
    outDir,
    '-o',
    'json',
  ];
  const measured = await measureProgram(process.execPath, args, { mostS: toldS + PATIENCE_S });
  const submission = (await readdir(outDir)).includes('submission.csv') ? join(outDir, 'submission.csv') : null;
  if (measured.code !== 0) return { measured, submission, promised: null, firstValidS: null };
  const { expected, direction, first_valid_seconds: firstValidS } = Told.parse(JSON.parse(measured.output));
  const isUp = direction === 'maximize';
  const promised = expected && { low: isUp ? 1 - expected.high : expected.low, high: isUp ? 1 - expected.low : expected.high };
  return { measured, submission, promised, firstValidS };
}

async function solveByPeer(
  system: Exclude<SystemName, 'ours'>,
  { set, folder, outDir, toldS }: { readonly set: string; readonly folder: string; readonly outDir: string; readonly toldS: number },
): Promise<Solved> {
  const [peer, option] = (
    {
      'autogluon-good': ['autogluon', 'good_quality'],
      'autogluon-best': ['autogluon', 'best_quality'],
      flaml: ['flaml', 'single'],
      'flaml-ensemble': ['flaml', 'ensemble'],
    } as const
  )[system];
  const out = join(outDir, 'submission.csv');
  const args = [
    join(HERE, `peers/run_${peer}.py`),
    '--set',
    set,
    '--folder',
    folder,
    '--out',
    out,
    '--limit',
    String(toldS),
    '--option',
    option,
  ];
  // Two cores for every solver.
  const env = { OMP_NUM_THREADS: '2' };
  const measured = await measureProgram(pythonOf(peer), args, { mostS: toldS + PATIENCE_S, env });
  const isThere = await stat(out).then(
    () => true,
    () => false,
  );
  return { measured, submission: isThere ? out : null, promised: null, firstValidS: null };
}

const Judgement = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('valid'), loss: z.number(), naive: z.number(), resampled: z.array(z.number()) }),
  z.object({ kind: z.literal('fault'), fault: z.string() }),
]);
export type Judgement = z.infer<typeof Judgement>;

/** Builds a split of a set; nothing when it is there. The answers lie where no solver looks. */
export async function buildSplit(set: string, split: number, folder: string, answers: string): Promise<void> {
  const args = [join(HERE, 'build_sets.py'), '--set', set, '--split', String(split), '--folder', folder, '--answers', answers];
  const { code, said } = await measureProgram(pythonOf('sets'), args, { mostS: 300 });
  if (code !== 0) throw new Error(`${set} could not be built: ${said.trim().split('\n').at(-1)}`);
}

/** The loss of a submission, by a judge that shares nothing with the product's grader. */
export async function judge(set: string, folder: string, answers: string, submission: string): Promise<Judgement> {
  const args = [join(HERE, 'judge.py'), '--set', set, '--folder', folder, '--answers', answers, '--submission', submission];
  const { code, said, output } = await measureProgram(pythonOf('sets'), args, { mostS: 300 });
  if (code !== 0) throw new Error(`${set} could not be judged: ${said.trim().split('\n').at(-1)}`);
  return Judgement.parse(JSON.parse(output));
}
