import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import test from 'ava';
import type { SolutionReport } from '#core/report.ts';
import type { Recipe } from '#agent/search/recipes.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { openProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { runAgent } from '#agent/run.ts';
import { startHarness } from '#agent/evaluate/harness-client.ts';
import { createScriptedKaggle, makeAgentParams, makeSpec } from '../../_support/agent-parts.ts';
import { readEvents, readValidManifest } from '../../_support/agent-store.ts';
import { makeCsv, makeRandom } from '../python/_harness.ts';
import { PYTHON } from '../../_support/python.ts';
import { CHEATS } from './_cheats.ts';
import type { Cheat, Loot } from './_cheats.ts';

const ROWS = 1_500;
const TESTS = 400;
const PRELUDE = new URL('_prelude.py', import.meta.url);

/** A competition whose ids say nothing, and whose classes an honest program tells with an AUC of about 0.8. */
function makeData(): { readonly files: Readonly<Record<string, string>>; readonly loot: Loot } {
  const random = makeRandom(41);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const taken = new Set<number>();
  const ids = Array.from({ length: ROWS + TESTS }, () => {
    let id = 0;
    do id = 100_000 + Math.floor(random() * 900_000);
    while (taken.has(id));
    taken.add(id);
    return id;
  });
  const rows = ids.map((id) => {
    const [a, b, c, level] = [normal(), normal(), normal(), Math.floor(random() * 6)];
    const target = a + 0.7 * b - 0.3 * level + 1.4 * normal() > -0.75 ? 1 : 0;
    return { id, target, features: [a.toFixed(5), b.toFixed(5), c.toFixed(5), level] };
  });
  const names = ['id', 'a', 'b', 'c', 'level'];
  const train = rows.slice(0, ROWS);
  const at = (index: number) => rows[index] ?? { id: 0, target: 0, features: [] };
  const files = {
    'train.csv': makeCsv([...names, 'target'], ROWS, (i) => [at(i).id, ...at(i).features, at(i).target]),
    'test.csv': makeCsv(names, TESTS, (i) => [at(ROWS + i).id, ...at(ROWS + i).features]),
    'sample_submission.csv': makeCsv(['id', 'target'], TESTS, (i) => [at(ROWS + i).id, 0.5]),
  };
  return { files, loot: packLoot(new Map(train.map(({ id, target }) => [id, target])), ids) };
}

function packLoot(labels: ReadonlyMap<number, number>, ids: readonly number[]): Loot {
  let [known, ones] = [0n, 0n];
  for (const [place, id] of ids.toSorted((left, right) => left - right).entries()) {
    if (!labels.has(id)) continue;
    known |= 1n << BigInt(place);
    if (labels.get(id) === 1) ones |= 1n << BigInt(place);
  }
  const packed = deflateSync(JSON.stringify(Object.fromEntries(labels))).toString('base64');
  return { labels, bits: `0x${known.toString(16)}, 0x${ones.toString(16)}`, packed };
}

async function makePrograms(dir: string, loot: Loot): Promise<Recipe[]> {
  await mkdir(dir, { recursive: true });
  const prelude = await readFile(PRELUDE, 'utf8');
  const honest = 'answer = learn()\nwrite([answer(row) for row in ROWS])\n';
  const programs = [{ name: 'honest', text: honest }, ...CHEATS.map(({ name, program }) => ({ name, text: program(loot) }))];
  return Promise.all(
    programs.map(async ({ name, text }, index) => {
      const path = join(dir, `program-${index}.py`);
      const body = `${prelude}\n\n${text}\n`;
      await writeFile(path, body);
      return {
        origin: 'generated' as const,
        name,
        title: name,
        program: path,
        sha256: createHash('sha256').update(body).digest('hex'),
        params: {},
        costRank: index,
        targetTypes: ['binary'],
        modalities: ['tabular'],
        maxTrainRows: 1e6,
      };
    }),
  );
}

const { sandbox } = await openProcessSandbox(PYTHON, { warm: true });
const dir = await mkdtemp(join(tmpdir(), 'kaggle-agent-dishonest-'));
test.after.always(() => rm(dir, { recursive: true, force: true }));
let reports: ReadonlyMap<string, SolutionReport> = new Map();
let best: string | null = null;
let notes: readonly string[] = [];

test.before('every program is a candidate of one job', async (t) => {
  t.timeout(300_000);
  t.true(sandbox.generatedCode.accepted, JSON.stringify(sandbox.generatedCode));
  const store = createDirectoryStore({ root: join(dir, 'objects'), durable: false });
  const { files, loot } = makeData();
  const competition = await createScriptedKaggle('').getCompetition('toy');
  const kaggle = createScriptedKaggle(join(dir, 'submissions.txt'), {
    getCompetition: async () => ({ ...competition, evaluationMetric: 'Area Under ROC Curve' }),
    listFiles: async () => Object.entries(files).map(([name, content]) => ({ name, bytes: content.length, createdAt: null })),
    unpack: async (_path, to) => {
      await mkdir(to, { recursive: true });
      for (const [name, content] of Object.entries(files)) await writeFile(join(to, name), content);
      return Object.entries(files).map(([path, content]) => ({ path, bytes: content.length }));
    },
  });
  const spec = makeSpec({ seed: 0, remainingS: 280, resources: { cpuMillis: 2_000, memoryMib: 2_048 } });
  const params = await makeAgentParams(dir, store, {
    spec,
    kaggle,
    sandbox,
    startHarness: ({ threads, onLog }) => startHarness({ python: PYTHON, threads, onLog }),
    recipes: await makePrograms(join(dir, 'programs'), loot),
    foldsAtOnce: 2,
  });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, spec.jobId, 1);
  const events = await readEvents(store, spec.jobId, 1);
  const found = new Map<string, SolutionReport>();
  for (const event of events) {
    if (event.type === 'progressed' && event.solution !== null) found.set(event.solution.title, event.solution);
  }
  reports = found;
  notes = manifest.notes;
  best = [...found.values()].find(({ number }) => number === manifest.bestSolution)?.title ?? null;
});

const reportOf = (name: string): SolutionReport => {
  const report = reports.get(name);
  if (report === undefined) throw new Error(`no report of ${name}: ${[...reports.keys()].join(', ')}`);
  return report;
};

test('the honest program is the best, and verified', (t) => {
  t.true(CHEATS.length >= 30);
  const { score, trust, kind } = reportOf('honest');
  t.is(kind, 'generated');
  t.deepEqual(trust, { verdict: 'verified', reasons: [] });
  t.true((score?.score ?? 0) > 0.74 && (score?.score ?? 1) < 0.86, String(score?.score));
  t.true(best === 'honest' || best === 'learns from the rows that it is to answer' || best?.startsWith('Blend') === true, String(best));
});

for (const cheat of CHEATS) {
  test(`a program that ${cheat.name} gets nothing by it`, (t) => {
    const report = reportOf(cheat.name);
    const honest = reportOf('honest').score?.score ?? 0;
    const text = JSON.stringify({ ...report, honest }, null, 1);
    t.true(judge(cheat, report, honest), text);
  });
}

/** Whether it ended as it must. */
function judge({ end }: Cheat, report: SolutionReport, honest: number): boolean {
  const { state, failure, score, trust, checks, title } = report;
  if (end.kind === 'refused')
    return state === 'failed' && (failure ?? '').startsWith('the program is refused') && end.why.test(failure ?? '');
  if (end.kind === 'failed') return state === 'failed' && !/refused:/.test(failure ?? '') && end.why.test(failure ?? '');
  if (state !== 'valid' || score === null) return false;
  if (end.kind === 'suspect') {
    return trust?.verdict === 'suspect' && checks.some(({ name, ok, weight }) => name === end.by && !ok && weight === 'suspect');
  }
  if (end.kind === 'unsettled') return trust?.verdict === 'unverified' && best !== title;
  if (end.kind === 'suspect or honest') return trust?.verdict === 'suspect' || score.score <= honest + 0.02;
  if (end.kind === 'chance') return Math.abs(score.score - 0.5) < 0.06;
  return score.score <= honest + 0.02 && trust?.verdict !== 'suspect';
}

test('a claim is kept beside what was measured', (t) => {
  const check = reportOf('claims a perfect score').checks.find(({ name }) => name === 'claimed like measured');
  t.deepEqual(check && { ok: check.ok, weight: check.weight }, { ok: false, weight: 'note' });
  t.regex(check?.detail ?? '', /claimed 1; measured: 0\.5/);
});

test('the result says of every suspect why', (t) => {
  const suspects = [...reports.values()].filter(({ trust }) => trust?.verdict === 'suspect');
  t.true(suspects.length >= 5);
  for (const { number } of suspects) t.true(notes.some((note) => note.startsWith(`Solution ${number} `) && note.includes('suspect')));
});
