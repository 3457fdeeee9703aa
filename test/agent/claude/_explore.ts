import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { AgentParams } from '#agent/run.ts';
import type { Manifest } from '#core/report.ts';
import type { ModelTable } from '#agent/budget/prices.ts';
import type { JournalEntry } from '#agent/journal/entries.ts';
import type { RunOutcome, SolutionRun } from '#agent/sandbox/sandbox.ts';
import { createClaude } from '#adapters/claude/client.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { readFile, writeFile } from 'node:fs/promises';
import { readSegments } from '#agent/journal/journal.ts';
import { runAgent } from '#agent/run.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import { API_KEY, startClaudeServer } from '#test/claude-server/server.ts';
import type { ClaudeServer, ServerOptions } from '#test/claude-server/server.ts';
import type { Exchange } from '#test/claude-server/scenario.ts';
import { createScriptedHarness, createScriptedSandbox, makeAgentParams, makeRecipes, makeSpec } from '#test/_support/agent-parts.ts';
import type { OnCall, ScriptedOptions } from '#test/_support/agent-parts.ts';
import { makeStore, readValidManifest } from '#test/_support/agent-store.ts';

export const MODELS: ModelTable = {
  strong: 'claude-strong',
  cheap: 'claude-cheap',
  prices: {
    'claude-strong': { rates: { input: 2, cacheWrite5m: 2.5, cacheWrite1h: 4, cacheRead: 0.1, output: 10 }, longPrompt: null },
    'claude-cheap': { rates: { input: 0.1, cacheWrite5m: 0.125, cacheWrite1h: 0.2, cacheRead: 0.01, output: 0.5 }, longPrompt: null },
  },
};

/** A program of Claude's in these tests: the sandbox answers with its score, or fails as it says. Lower is better; the recipes' blend has 2.75. */
export function program(
  score: number,
  change: { readonly title?: string; readonly family?: string; readonly fails?: string; readonly ends?: 'oom' | 'import' } = {},
) {
  const { title = `scores ${score}`, family = `family ${score}`, fails, ends } = change;
  const code = `# writes scores.csv\nSCORE = ${score}\n${fails === undefined ? '' : `FAILS = "${fails}"\n`}${ends === undefined ? '' : `ENDS = "${ends}"\n`}`;
  return { answer: { kind: 'program', title, hypothesis: 'it helps', family, code } };
}

/** A plan of ideas, all of one kind. */
export function plan(kind: 'draft' | 'improve' | 'fuse' | 'ablate', ...titles: readonly string[]) {
  const ideas = titles.map((title) => ({
    title,
    hypothesis: 'it helps',
    family: title,
    kind,
    expected_gain: 0.1,
    relative_cost: 1,
    after: [],
    lesson: null,
  }));
  return { answer: { kind: 'plan', ideas } };
}

export const NOTHING = { answer: { kind: 'nothing', reason: 'no more ideas' } };

/** The reviewer finds nothing, unless a script says otherwise. */
const CLEAN: Exchange = {
  contains: ['You are the reviewer'],
  answer: { kind: 'json', value: { answer: { kind: 'findings', findings: [] } } },
};

/** So does the librarian. */
const NO_LESSON: Exchange = { contains: ['You are the librarian'], answer: { kind: 'json', value: NOTHING } };

/** A scripted server; readers of programs are answered without being expected. */
export async function startServer(
  t: ExecutionContext,
  exchanges: readonly Exchange[] = [],
  options: ServerOptions = {},
): Promise<ClaudeServer> {
  return startClaudeServer(t, exchanges, { besides: [CLEAN, NO_LESSON], ...options });
}

/** Runs programs as their text says: `TAKES` seconds (as told; nobody waits), then `SCORE`, `WITHOUT <block>` with that block left out, or `FAILS`, which prints `said` besides. */
async function runWritten(order: SolutionRun, said: string): Promise<RunOutcome | null> {
  const text = await readFile(order.program, 'utf8');
  const full = /^SCORE = (.*)$/m.exec(text)?.[1];
  if (full === undefined) return null;
  const { off = [] } = JSON.parse(await readFile(order.paramsFile, 'utf8')) as { off?: string[] };
  const score = off.length === 0 ? full : new RegExp(`^WITHOUT ${off[0]} = (.*)$`, 'm').exec(text)?.[1];
  if (score === undefined)
    return { exitClass: 'crashed', exitCode: 1, seconds: 0.01, peakMemoryMib: 1, tail: `KeyError: ${off[0]}`, frame: null };
  const failure = /^FAILS = "(.*)"$/m.exec(text)?.[1];
  const seconds = Number(/^TAKES = (.*)$/m.exec(text)?.[1] ?? 0.01);
  const outcome = { exitCode: 0, seconds, peakMemoryMib: 1, tail: '', frame: null };
  const end = /^ENDS = "(.*)"$/m.exec(text)?.[1];
  if (end === 'oom' || end === 'import')
    return { ...outcome, exitClass: end, exitCode: 1, tail: end === 'oom' ? '' : "ModuleNotFoundError: No module named 'torhc'" };
  if (failure !== undefined) {
    order.onOutput(`${said}\nTraceback: ${failure}\n`);
    return { ...outcome, exitClass: 'crashed', exitCode: 1, tail: `Traceback: ${failure}` };
  }
  await writeFile(join(order.outDir, 'score.txt'), score);
  return { ...outcome, exitClass: 'ok' };
}

export interface ExploreOptions {
  readonly budgetUsd?: number;
  readonly accepted?: boolean;
  readonly onCall?: OnCall;
  readonly remainingS?: number;
  readonly llm?: 'auto' | 'off';
  readonly apiKey?: string;
  readonly harness?: ScriptedOptions;
  /** Each run of a program of Claude's. */
  readonly onRun?: (order: SolutionRun) => void | Promise<void>;
  /** Each run of a recipe. */
  readonly onRecipe?: (order: SolutionRun) => void;
  /** What each recipe scores; 5 and 3 unless told. */
  readonly recipes?: readonly number[];
  readonly workers?: number;
  readonly clock?: AgentParams['clock'];
  /** What programs print that fail. */
  readonly said?: string;
}

/** An attempt with recipes and Claude at the scripted server. */
export async function makeExplorer(t: ExecutionContext, server: ClaudeServer, options: ExploreOptions = {}): Promise<AgentParams> {
  const { dir, store } = await makeStore(t);
  const {
    budgetUsd = 5,
    accepted = true,
    onCall,
    remainingS = 120,
    llm = 'auto',
    apiKey = API_KEY,
    said = '',
    harness = {},
    onRun,
    onRecipe,
    recipes = [5, 3],
    workers = 1,
    clock = systemClock,
  } = options;
  const sandbox = createScriptedSandbox(join(dir, 'runs.txt'), async (order) => {
    if (order.program.includes('/programs/')) await onRun?.(order);
    else onRecipe?.(order);
    return runWritten(order, said);
  });
  return makeAgentParams(dir, store, {
    spec: makeSpec({ budgetUsd, llm, remainingS }),
    recipes: await makeRecipes(join(dir, 'recipes'), recipes),
    sandbox: { ...sandbox, generatedCode: accepted ? { accepted: true } : { accepted: false, reason: 'the self-test failed' } },
    startHarness: () => createScriptedHarness(join(dir, 'harness'), onCall, harness),
    workers,
    clock,
    model: { client: createClaude({ apiKey, baseUrl: server.url }), table: MODELS },
  });
}

/** The attempt after this one, with the same storage and the same everything else. */
export function nextAttempt(params: AgentParams, again: AgentParams): AgentParams {
  const spec = { ...params.spec, attempt: params.spec.attempt + 1 };
  return { ...again, spec, store: params.store, identity: { podUid: 'next', nonce: 'next' }, podName: 'next' };
}

/** Runs the attempt to its end. */
export async function finish(t: ExecutionContext, params: AgentParams): Promise<{ manifest: Manifest; entries: readonly JournalEntry[] }> {
  t.is(await runAgent(params), 0);
  const { spec, store } = params;
  const manifest = await readValidManifest(store, spec.jobId, spec.attempt);
  return { manifest, entries: verifyJournal(await readSegments(store, spec.jobId)).entries };
}

/** The last sentence about Claude in a result. */
export function noteOf({ notes }: Manifest): string {
  return notes.findLast((note) => note.startsWith('Claude')) ?? '';
}

/** Solutions of a journal by number: kind, parents, end. */
export function listSolutions(entries: readonly JournalEntry[]): string[] {
  const found = new Map<number, string>();
  for (const { fact } of entries) {
    if (fact.type !== 'solution-finished') continue;
    const { number, kind, parents, state, title } = fact.report;
    found.set(number, `${number} ${kind}${parents.length > 0 ? ` of ${parents.join()}` : ''} ${state}: ${title}`);
  }
  return [...found.values()];
}
