import { mkdir, rm, stat } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { keepCell, nameCell, readCells, readSets, SYSTEMS } from './cells.ts';
import type { Cell, DataSet, SystemName } from './cells.ts';
import { writeReport } from './report.ts';
import { buildSplit, judge, solve } from './systems.ts';
import { nameVersions } from './versions.ts';

const USAGE = `npm run bench:solver -- [--limit SECONDS] [--sets open|sealed|all|SLUG,…] [--splits N] [--systems NAME,…] [--again] [--report]
Solvers on the same files with the same limit, one at a time: ${SYSTEMS.join(', ')}. What was measured is kept in
bench/solver/results.jsonl and not measured again (but with --again); --report only tells what is kept. Sealed sets are for the end: nobody
tunes on them. --no-credit: a peer that runs over its limit is given that much less, once its own cell is measured.`;
const RESULTS = fileURLToPath(new URL('results.jsonl', import.meta.url));
const WORK_DIR = join(tmpdir(), 'kaggle-agent-bench-solver');

interface Plan {
  readonly sets: readonly DataSet[];
  readonly systems: readonly SystemName[];
  readonly splits: number;
  readonly limitS: number;
  readonly again: boolean;
  readonly noCredit: boolean;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      limit: { type: 'string', default: '60' },
      sets: { type: 'string', default: 'open' },
      splits: { type: 'string', default: '3' },
      systems: { type: 'string', default: 'ours,autogluon-good,flaml' },
      again: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
      'no-credit': { type: 'boolean', default: false },
    },
  });
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const sets = await readSets();
  if (!values.report) {
    await measureCells({
      sets: chooseSets(sets, values.sets),
      systems: chooseSystems(values.systems),
      splits: Number(values.splits),
      limitS: Number(values.limit),
      again: values.again,
      noCredit: values['no-credit'],
    });
  }
  process.stdout.write(writeReport(sets, await readCells(RESULTS)));
  return 0;
}

function chooseSets(sets: readonly DataSet[], wanted: string): readonly DataSet[] {
  if (wanted === 'all') return sets;
  if (wanted === 'open' || wanted === 'sealed') return sets.filter(({ sealed }) => sealed === (wanted === 'sealed'));
  return wanted.split(',').map((slug) => {
    const found = sets.find((each) => each.slug === slug);
    if (found === undefined) throw new Error(`There is no set ${slug}. There are: ${sets.map((each) => each.slug).join(', ')}.`);
    return found;
  });
}

function chooseSystems(wanted: string): readonly SystemName[] {
  return wanted.split(',').map((name) => {
    const found = SYSTEMS.find((each) => each === name);
    if (found === undefined) throw new Error(`There is no solver ${name}. There are: ${SYSTEMS.join(', ')}.`);
    return found;
  });
}

async function measureCells({ sets, systems, splits, limitS, again, noCredit }: Plan): Promise<void> {
  const known = new Map((await readCells(RESULTS)).map((cell) => [nameCell(cell), cell]));
  for (let split = 1; split <= splits; split += 1) {
    for (const { slug: set } of sets) {
      for (const system of systems) {
        const full = known.get(nameCell({ set, split, system, limitS, toldS: limitS }));
        const overS = full === undefined ? 0 : Math.ceil(full.seconds - limitS);
        const isCut = noCredit && system !== 'ours';
        if (isCut && (full === undefined || overS < 1)) continue;
        const toldS = isCut ? Math.max(10, limitS - overS) : limitS;
        if (known.has(nameCell({ set, split, system, limitS, toldS })) && !again) continue;
        const cell = await measureCell({ set, split, system, limitS, toldS });
        await keepCell(RESULTS, cell);
        known.set(nameCell(cell), cell);
        process.stderr.write(
          `${nameCell(cell)}: ${cell.failure ?? cell.loss?.toPrecision(5)} in ${cell.seconds} s, ${cell.peakMemoryMib} MiB\n`,
        );
      }
    }
  }
}

async function measureCell(order: Pick<Cell, 'set' | 'split' | 'system' | 'limitS' | 'toldS'>): Promise<Cell> {
  const { set, split, system, toldS } = order;
  await mkdir(WORK_DIR, { recursive: true });
  const folder = join(WORK_DIR, 'sets', `${set}-${split}`);
  const answers = join(WORK_DIR, 'answers', `${set}-${split}.csv`);
  const isBuilt = await stat(answers).then(
    () => true,
    () => false,
  );
  if (!isBuilt) await buildSplit(set, split, folder, answers);
  const outDir = join(WORK_DIR, 'out');
  const { measured, submission, promised, firstValidS } = await solve(system, { set, folder, outDir, toldS });
  const judgement = submission === null ? null : await judge(set, folder, answers, submission);
  await rm(outDir, { recursive: true, force: true });
  const lastWords = measured.said.trim().split('\n').at(-1) ?? '';
  const failure =
    judgement === null ? `code ${measured.code}: ${lastWords}`.slice(0, 300) : judgement.kind === 'fault' ? judgement.fault : null;
  const valid = judgement?.kind === 'valid' ? judgement : null;
  return {
    ...order,
    version: await nameVersions(system),
    machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    at: new Date().toISOString(),
    seconds: Math.round(10 * measured.seconds) / 10,
    peakMemoryMib: measured.peakMemoryMib,
    failure,
    loss: valid?.loss ?? null,
    naive: valid?.naive ?? null,
    resampled: [...(valid?.resampled ?? [])],
    promised,
    firstValidS,
  };
}

process.exitCode = await main();
