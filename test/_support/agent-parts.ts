import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile, appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AgentParams } from '#agent/run.ts';
import type { ArtifactStore } from '#core/ports.ts';
import type { Competition, Kaggle, SubmissionRecord } from '#core/kaggle.ts';
import type { Evaluation, TaskProfile } from '#agent/evaluate/harness-protocol.ts';
import type { HarnessParams, HarnessPort, HarnessResult } from '#agent/harness-port.ts';
import type { HarnessMethod } from '#agent/evaluate/harness-protocol.ts';
import type { JobSpec } from '#core/job-spec.ts';
import type { Recipe } from '#agent/search/recipes.ts';
import type { RunOutcome, Sandbox, SolutionRun } from '#agent/sandbox/sandbox.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';

export const FOLDS = 3;
const PROBE_FOLDER = `fold-${FOLDS + 1}`;
/** Numbers from here on are no probe's. */
const PLAIN_FOLDER = 10;

/** A regression task of three columns; no file of it is read by these parts. */
export const PROFILE: TaskProfile = {
  schema_version: 1,
  kind: 'rows',
  shape: 'rows',
  files: [{ name: 'train.csv', role: 'train', bytes: 10 }],
  targets: [{ name: 'y', type: 'regression', classes: null }],
  id_columns: ['id'],
  group_column: null,
  shape_reason: 'no column names entities or times that the test rows differ by',
  shape_confidence: 'certain',
  time_column: null,
  entity_columns: [],
  recommender: null,
  given_columns: [],
  media_columns: [],
  tables: [],
  one_row_at_a_time: false,
  weight_column: null,
  query_column: null,
  objective: null,
  train_rows: 30,
  test_rows: 10,
  feature_columns: ['x'],
  column_types: { id: 'numeric', x: 'numeric' },
  submission: {
    source: 'sample-file',
    file_name: 'submission.csv',
    separator: ',',
    encoding: 'utf-8',
    compression: 'none',
    decimal: '.',
    columns: ['id', 'y'],
    id_columns: ['id'],
    target_columns: ['y'],
    row_count: 10,
    form: 'value',
  },
  warnings: [],
};

/** Called with the method before it answers; may throw. */
export type OnCall = (method: HarnessMethod, params: unknown) => void | Promise<void>;

/** What a scripted harness does otherwise. */
export interface ScriptedOptions {
  /** It asks for a run over all rows besides. */
  readonly hasRefit?: boolean;
  /** Folds are so large that there is a sample of one. */
  readonly hasSample?: boolean;
  readonly profile?: TaskProfile;
  /** Why it refuses generated programs. */
  readonly refusal?: string | null;
  /** Solutions that wrote decisions instead of scores. */
  readonly deciding?: readonly number[];
}

/**
 * The harness's protocol in memory, RMSE, three folds: a program's score is the number in its `score.txt`, the constant's is 10.
 * A stack wins where its score is lower.
 */
export function createScriptedHarness(
  home: string,
  onCall: OnCall = () => undefined,
  { hasRefit = false, hasSample = false, profile = PROFILE, refusal = null, deciding = [] }: ScriptedOptions = {},
): HarnessPort {
  const evaluations = new Map<number, Evaluation>();
  const folds = new Map<number, number[]>();
  const finish = (solution: number, scores: number[]): Evaluation => {
    const score = scores.reduce((sum, value) => sum + value, 0) / scores.length;
    const evaluation: Evaluation = {
      solution,
      score,
      low: score - 0.1,
      high: score + 0.1,
      standard_error: 0.05,
      fold_scores: scores,
      aggregate: 'mean-of-folds',
      decoder: {},
      checks: [],
      trust: { verdict: 'verified', reasons: [] },
      raw: !deciding.includes(solution),
      seconds: 0,
    };
    evaluations.set(solution, evaluation);
    return evaluation;
  };
  const methods: { [M in HarnessMethod]: (params: HarnessParams<M>) => Promise<HarnessResult<M>> | HarnessResult<M> } = {
    hello: () => ({ python: '3', packages: {}, pid: 1 }),
    profile: () => profile,
    fix_task: () => ({}),
    baseline: () => ({ evaluation: finish(0, [10, 10, 10]) }),
    cut: async () => ({
      fold_count: FOLDS,
      runs: await Promise.all([0, 1, 2].map((fold) => makeRun(home, fold))),
      final_run: null,
      refit_run: hasRefit ? { ...(await makeRun(home, FOLDS)), run_id: 'final', fold: null, predict_kind: 'test' } : null,
      seconds: 0,
    }),
    grade_fold: async ({ solution, run_id, out_dir }) => {
      const text = await readFile(join(out_dir, 'score.txt'), 'utf8').catch(() => null);
      const fold = Number(run_id.slice(-1));
      if (text === null) return { fold, score: null, rows: 0, failure: 'scores.csv is missing', seconds: 0 };
      folds.set(solution, [...(folds.get(solution) ?? []), Number(text)]);
      return { fold, score: Number(text), rows: 10, failure: null, seconds: 0 };
    },
    measure_fold: async ({ solution, out_dir }) => {
      const text = await readFile(join(out_dir, 'score.txt'), 'utf8').catch(() => null);
      const full = evaluations.get(solution)?.score ?? null;
      return { score: text === null ? null : Number(text), full, failure: text === null ? 'scores.csv is missing' : null };
    },
    play_round: () => ({ run: null, left: 0, failure: null }),
    take_final: () => ({ failure: null }),
    take_refit: ({ solution }) => ({ adopted: true, detail: 'alike', evaluation: evaluations.get(solution) ?? null }),
    finish_solution: ({ solution }) => finish(solution, folds.get(solution) ?? []),
    blend: ({ solution, members }) => ({
      evaluation: finish(
        solution,
        [0, 1, 2].map(() => Math.min(...members.map((member) => evaluations.get(member)?.score ?? 9)) - 0.25),
      ),
      weights: members.map((member) => ({ solution: member, weight: 1 / members.length })),
      nested: true,
    }),
    cut_stack: async ({ solution }) => ({ runs: await makeRuns(home, `stack-${solution}`, FOLDS) }),
    cut_rebuild: async () => ({ runs: await makeRuns(home, 'rebuild', 2 * FOLDS) }),
    take_rebuild: () => ({ failure: null }),
    cut_rebuilt_stack: async ({ solution }) => ({ runs: await makeRuns(home, `rebuilt-stack-${solution}`, 2) }),
    take_rebuilt_stack: () => ({ failure: null }),
    judge_stack: ({ solution, against }) => {
      const [mine = 0, other = 0] = [solution, against].map((number) => evaluations.get(number)?.score);
      return { wins: mine < other, detail: `${mine} against ${other}` };
    },
    cut_refit: async () => ({
      run: hasRefit ? { ...(await makeRun(home, FOLDS)), run_id: 'final', fold: null } : null,
      detail: 'compared',
    }),
    check_program: () => ({ reason: refusal }),
    cut_probes: async () => {
      const sample = hasSample ? [{ kind: 'control' as const, run: await makeRun(join(home, 'sample'), PLAIN_FOLDER) }] : [];
      return { probes: [...sample, { kind: 'fresh', run: await makeRun(home, FOLDS + 1) }] };
    },
    judge_probes: ({ solution, generated }) => {
      const evaluation = evaluations.get(solution) ?? finish(solution, []);
      const names = ['holds with other ids and another seed', ...(generated ? ['learns what it is given'] : [])];
      return { ...evaluation, checks: names.map((name) => ({ name, ok: true, weight: 'suspect', detail: '' })) };
    },
    // The further apart their scores, the less alike.
    correlate: ({ solution, others }) => ({
      correlations: others.map((other) => {
        const [left = 0, right = 0] = [solution, other].map((number) => evaluations.get(number)?.score);
        return { solution: other, value: Math.max(-1, 1 - Math.abs(left - right) / 10) };
      }),
    }),
    expect_score: ({ solution, candidates }) => {
      const { score = 0 } = evaluations.get(solution) ?? {};
      return { expected: { score, low: score - 0.2, high: score + 0.2, selection: 0, candidates: candidates.length } };
    },
    write_submission: async ({ solution, path }) => {
      const body = `id,y\n1,${evaluations.get(solution)?.score}\n`;
      await writeFile(path, body);
      return {
        path,
        sha256: sha256(body),
        bytes: body.length,
        rows: 1,
        valid: true,
        checks: [{ name: 'header', ok: true, detail: '2 columns' }],
      };
    },
    validate: ({ path }) => ({ path, sha256: '', bytes: 0, rows: 0, valid: true, checks: [] }),
    save_state: async ({ path, solutions }) => {
      const body = JSON.stringify(solutions.map((solution) => evaluations.get(solution)));
      await writeFile(path, body);
      return { sha256: sha256(body), bytes: body.length };
    },
    load_state: async ({ path }) => {
      const loaded = JSON.parse(await readFile(path, 'utf8')) as Evaluation[];
      for (const evaluation of loaded) evaluations.set(evaluation.solution, evaluation);
      return { evaluations: loaded };
    },
  };
  return {
    async call(method, params) {
      await onCall(method, params);
      return methods[method](params);
    },
    close: async () => undefined,
  };
}

async function makeRun(home: string, fold: number) {
  const train = join(home, `fold-${fold}`, 'train');
  const predict = join(home, `fold-${fold}`, 'predict');
  await mkdir(train, { recursive: true });
  await mkdir(predict, { recursive: true });
  await writeFile(join(train, 'task.json'), JSON.stringify({ schema_version: 1, kind: 'rows' }));
  const folders = { run_id: `fold-${fold}`, fold, train_dir: train, predict_dir: predict };
  return { ...folders, predict_kind: 'validation+test' as const, train_rows: 20, predict_rows: 20 };
}

async function makeRuns(home: string, name: string, count: number) {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => ({
      ...(await makeRun(join(home, name), PLAIN_FOLDER + index)),
      run_id: `${name}-${index}`,
    })),
  );
}

/** A sandbox that answers at once with the score that the recipe's params name; each run is a line of `logPath`, a probe's is "probe". */
export function createScriptedSandbox(
  logPath: string,
  before: (order: SolutionRun) => Promise<RunOutcome | null> = async () => null,
): Sandbox {
  return {
    tier: 'process',
    layers: ['limits'],
    generatedCode: { accepted: true },
    async run(order) {
      await appendFile(logPath, `${order.trainDir.includes(PROBE_FOLDER) ? 'probe' : order.program}\n`);
      const instead = await before(order);
      if (instead !== null) return instead;
      const params = JSON.parse(await readFile(order.paramsFile, 'utf8')) as { score: number };
      await writeFile(join(order.outDir, 'score.txt'), String(params.score));
      return { exitClass: 'ok', exitCode: 0, seconds: 0.01, peakMemoryMib: 1, tail: '', frame: null };
    },
  };
}

/** Recipes whose scores are given; each program is a small file in `dir`. */
export async function makeRecipes(dir: string, scores: readonly number[]): Promise<Recipe[]> {
  await mkdir(dir, { recursive: true });
  return Promise.all(
    scores.map(async (score, index) => {
      const program = join(dir, `recipe-${index + 1}.py`);
      await writeFile(program, `# recipe ${index + 1}\n`);
      const name = `recipe-${index + 1}`;
      const suits = { targetTypes: ['regression'], modalities: ['tabular'], maxTrainRows: 10_000 };
      return {
        origin: 'built-in',
        name,
        title: `Recipe ${index + 1}`,
        program,
        sha256: sha256(name),
        params: { score },
        costRank: index,
        ...suits,
      };
    }),
  );
}

const COMPETITION: Competition = {
  slug: 'toy',
  title: 'Toy',
  url: 'https://www.kaggle.com/competitions/toy',
  description: '',
  category: '',
  reward: '',
  organizationName: '',
  tags: [],
  deadline: null,
  evaluationMetric: 'Root Mean Squared Error',
  maxDailySubmissions: 5,
  teamCount: 1,
  userHasEntered: true,
  isNotebookOnly: false,
  submissionsDisabled: false,
};

/** Kaggle with one competition; submissions are lines of `statePath`, and a repeated (message, bytes) is found, as the client does. */
export function createScriptedKaggle(statePath: string, overrides: Partial<Kaggle> = {}): Kaggle {
  const readLines = async () => (await readFile(statePath, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  const record = (ref: string): SubmissionRecord => ({
    ref,
    status: 'complete',
    fileName: 'submission.csv',
    description: '',
    submittedAt: null,
    publicScore: 0.5,
    privateScore: 0.6,
    errorDescription: '',
  });
  return {
    getCompetition: async () => COMPETITION,
    getPages: async () => [],
    listFiles: async () => [{ name: 'train.csv', bytes: 10, createdAt: null }],
    downloadAll: async (slug, dir) => ({ path: join(dir, `${slug}.zip`), bytes: 10, md5: null, resumed: false }),
    unpack: async (_path, dir) => {
      await mkdir(dir, { recursive: true });
      await writeFile(join(dir, 'train.csv'), 'id,x,y\n1,2,3\n');
      return [{ path: 'train.csv', bytes: 13 }];
    },
    submitFile: async (_slug, path, message) => {
      const line = `${message} ${sha256(await readFile(path, 'utf8'))}`;
      const before = await readLines();
      const found = before.indexOf(line);
      if (found < 0) await appendFile(statePath, `${line}\n`);
      return { ref: String((found < 0 ? before.length : found) + 1), message: '', replayed: found >= 0 };
    },
    getSubmission: async (ref) => record(ref),
    listSubmissions: async () => [],
    getLeaderboard: async () => [],
    getLimits: async () => ({ usedToday: 0, usedTotal: 0, allowedNow: 5 }),
    ...overrides,
  };
}

/** A job's spec for the toy competition. */
export function makeSpec(change: Partial<JobSpec> = {}): JobSpec {
  return {
    schemaVersion: 1,
    jobId: randomUUID(),
    attempt: 1,
    jobName: 'kaggle-toy-0',
    tenant: 'default',
    slug: 'toy',
    kaggleUrl: 'https://www.kaggle.com/competitions/toy',
    resources: { cpuMillis: 1000, memoryMib: 1024 },
    remainingS: 60,
    activeDeadlineS: 1000,
    budgetUsd: 0,
    llm: 'off',
    hint: null,
    submitToKaggle: false,
    task: null,
    seed: 1,
    traceparent: null,
    ...change,
  };
}

/** An attempt with scripted parts in `dir`: three recipes of scores 5, 3 and 4 (lower is better), and a blend that is a little better. */
export async function makeAgentParams(dir: string, store: ArtifactStore, change: Partial<AgentParams> = {}): Promise<AgentParams> {
  const spec = change.spec ?? makeSpec();
  const workDir = join(dir, `work-${spec.attempt}`);
  return {
    spec,
    store,
    sink: null,
    sign: null,
    kaggle: createScriptedKaggle(join(dir, 'kaggle.txt')),
    startHarness: () => createScriptedHarness(join(workDir, 'harness')),
    sandbox: createScriptedSandbox(join(dir, `runs-${spec.attempt}.txt`)),
    recipes: await makeRecipes(join(dir, 'recipes'), [5, 3, 4]),
    identity: { podUid: `pod-${spec.attempt}`, nonce: randomUUID() },
    podName: `pod-${spec.attempt}`,
    clock: systemClock,
    signal: new AbortController().signal,
    workDir,
    cacheDir: join(dir, 'cache'),
    foldsAtOnce: 1,
    print: () => undefined,
    versions: { node: process.versions.node },
    ...change,
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
