import type { RunContext, Task } from '../context.ts';
import type { Asker, Outcome } from '../roles/ask.ts';
import type { AnswerKind, Idea } from '../roles/replies.ts';
import type { Search } from '../search/search.ts';
import type { GradedSolution } from '../search/scoreboard.ts';
import type { ProgramOutcome } from '../search/try-program.ts';
import { ClaimLost, describeError, RunEnds } from '../errors.ts';
import { isStop, throwIfStopped } from '../context.ts';
import { HarnessFailure } from '../harness-port.ts';
import { cleanText } from '../log.ts';
import { openLedger } from '../budget/ledger.ts';
import type { BudgetLedger } from '../budget/ledger.ts';
import { applyEdits } from '../roles/apply-edits.ts';
import { createAsker } from '../roles/ask.ts';
import { writeDigest } from '../roles/digest.ts';
import { fence } from '../roles/fence.ts';
import { DEBUGGER, DRAFTER, IMPROVER, PLANNER } from '../roles/prompts/roles.ts';
import { RULES } from '../roles/prompts/rules.ts';
import { writeTaskDigest } from '../roles/task-digest.ts';
import { compareScores, isImprovement, isMember, isSuspect, lacksProbes } from '../search/scoreboard.ts';
import { readProgram } from '../search/program-files.ts';
import { tryProgram } from '../search/try-program.ts';

const MOST_PROGRAMS = 40;
/** Ideas in a row that made nothing better: then the plan is made anew, then the search ends. */
const REPLAN_AFTER = 3;
const STOP_AFTER = 6;
const MOST_REPAIRS = 3;
const MOST_PLANS_WITHOUT_IDEAS = 2;
const PROGRAM_TOKENS = 16_000;
const PLAN_TOKENS = 4_000;
/** Of the whole time limit, kept for stacks and the probes of finalists. */
const KEPT_SHARE = 0.15;
const MOST_SILENCE_S = 60;
const MOST_TITLE_CHARS = 200;

/** What the exploration knows between two ideas. */
interface Explored {
  readonly asker: Asker;
  readonly ideas: Idea[];
  readonly families: Set<string>;
  /** Programs of earlier attempts that this one has not come to yet: it goes the same way again, by the stored answers. */
  readonly hidden: Set<number>;
  /** The best that it has come to. */
  best: GradedSolution | null;
  programs: number;
  fruitless: number;
  /** How many were fruitless when the plan was last made anew for that. */
  replannedAt: number;
  emptyPlans: number;
}

/**
 * With a key: Claude plans, writes programs, mends those that fail and improves the best, until the time, the budget or its ideas are over. Says
 * why it stopped. What goes wrong here takes nothing away.
 */
export async function explore(run: RunContext, task: Task, search: Search): Promise<void> {
  if (run.model === null || run.spec.llm === 'off' || !run.sandbox.generatedCode.accepted) return;
  if (task.profile.submission.form === 'answer')
    return addNote(run, 'Claude was not asked: answers that are texts are left to the recipes.');
  const { budgetUsd, attempt } = run.spec;
  const ledger = openLedger({ capUsd: budgetUsd, spentUsd: run.earlier.spentUsd, attempt, append: (fact) => run.journal.append(fact) });
  let reason: string;
  let explored: Explored | null = null;
  try {
    explored = await begin(run, task, search, ledger);
    reason = await goOn(run, task, search, explored);
  } catch (error) {
    if (isStop(error) || error instanceof ClaimLost || error instanceof RunEnds) throw error;
    if (error instanceof HarnessFailure && error.kind === 'died') throw error;
    reason = describeError(error);
  }
  run.used.llmUsd = Math.round(ledger.spentUsd() * 1e6) / 1e6;
  const programs = `${explored?.programs ?? 0} program${explored?.programs === 1 ? '' : 's'}`;
  addNote(run, `Claude wrote ${programs} for $${ledger.spentUsd().toFixed(4)} of $${budgetUsd}; it stopped because ${reason}.`);
}

async function begin(run: RunContext, task: Task, search: Search, ledger: BudgetLedger): Promise<Explored> {
  const system = [RULES, await writeTaskDigest(run, task, task.description)];
  const asker = createAsker(run, ledger, system, {
    signal: run.signal,
    leftS: () => leftS(run),
    whyNot: () => (run.voice.secondsSinceStored() > MOST_SILENCE_S ? 'storage does not answer: nothing is spent' : null),
  });
  const generated = [...search.board.reports.values()].filter(({ kind }) => kind === 'generated');
  const hidden = new Set(generated.map(({ number }) => number));
  const known = [...search.board.graded.values()].filter(({ kind, number }) => kind === 'recipe' && !isSuspectOrUnprobed(search, number));
  const best = known.toSorted((left, right) => compareScores(task.metric, right.score, left.score))[0] ?? null;
  return { asker, ideas: [], families: new Set(), hidden, best, programs: 0, fruitless: 0, replannedAt: 0, emptyPlans: 0 };
}

function leftS(run: RunContext): number {
  return run.deadline.workS() - KEPT_SHARE * run.deadline.limitS;
}

/** One idea after the other; the reason for which it ended. */
async function goOn(run: RunContext, task: Task, search: Search, explored: Explored): Promise<string> {
  for (;;) {
    throwIfStopped(run.signal);
    if (!explored.asker.isReplaying()) explored.hidden.clear();
    if (leftS(run) <= 0) return 'its time is over';
    if (explored.programs >= MOST_PROGRAMS) return `${MOST_PROGRAMS} programs are the most`;
    if (explored.fruitless >= STOP_AFTER) return `${STOP_AFTER} ideas in a row made nothing better`;
    const idea = await nextIdea(run, task, search, explored);
    if (typeof idea === 'string') return idea;
    if (idea === null) continue;
    const ended = await follow(run, task, search, explored, idea);
    if (ended !== null) return ended;
  }
}

/** The next idea; null = look again; a text = why there is none any more. */
async function nextIdea(run: RunContext, task: Task, search: Search, explored: Explored): Promise<Idea | null | string> {
  if (explored.fruitless % REPLAN_AFTER === 0 && explored.fruitless !== explored.replannedAt) {
    explored.ideas.length = 0;
    explored.replannedAt = explored.fruitless;
  }
  const idea = explored.ideas.shift();
  if (idea !== undefined) return idea;
  run.voice.update({ message: 'Claude is planning' });
  const share = Math.round((100 * leftS(run)) / run.deadline.limitS);
  const left = share > 50 ? 'more than half' : share > 20 ? 'less than half' : 'little';
  const text = `${PLANNER}\n\nTime that is left: ${left} of the whole.\n\n${fence('solutions so far', writeDigest(search.board, task.metric, explored.hidden), 8_000)}`;
  const planned = await explored.asker.ask({
    role: 'planner',
    strength: 'strong',
    text,
    kinds: ['plan', 'nothing'],
    maxTokens: PLAN_TOKENS,
  });
  if (planned.kind === 'closed') return planned.reason;
  const fresh =
    planned.kind === 'answer' && planned.answer.kind === 'plan' ? planned.answer.ideas.filter((each) => isNew(each, explored)) : [];
  explored.ideas.push(...fresh);
  explored.emptyPlans = fresh.length === 0 ? explored.emptyPlans + 1 : 0;
  return explored.emptyPlans >= MOST_PLANS_WITHOUT_IDEAS ? 'it had no further ideas' : null;
}

/** A draft of a family that was drafted before is no new idea. */
function isNew({ kind, family }: Idea, { families }: Explored): boolean {
  return kind === 'improve' || !families.has(plainFamily(family));
}

function plainFamily(family: string): string {
  return family
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, ' ')
    .trim();
}

/** Writes, runs and mends one idea's program. A text = why the whole search ends. */
async function follow(run: RunContext, task: Task, search: Search, explored: Explored, idea: Idea): Promise<string | null> {
  const parent = idea.kind === 'improve' ? await chooseParent(run, task, search, explored.hidden) : null;
  explored.families.add(plainFamily(idea.family));
  const about = `${parent === null ? DRAFTER : IMPROVER}\n\nThe idea: ${fence('idea', `${idea.title}\n${idea.hypothesis}\n(${idea.family})`, 2_000)}`;
  const shown =
    parent === null ? '' : `\n\nThe program of solution ${parent.graded.number}, which it changes:\n<program>\n${parent.code}\n</program>`;
  const kinds: AnswerKind[] = parent === null ? ['program', 'nothing'] : ['program', 'patch', 'nothing'];
  run.voice.update({ message: `Claude is writing: ${cleanTitle(idea.title)}` });
  const digest = fence('solutions so far', writeDigest(search.board, task.metric, explored.hidden), 8_000);
  const answered = await explored.asker.ask({
    role: parent === null ? 'drafter' : 'improver',
    strength: 'strong',
    text: `${about}${shown}\n\n${digest}`,
    kinds,
    maxTokens: PROGRAM_TOKENS,
  });
  if (answered.kind === 'closed') return answered.reason;
  let written = readWritten(answered, parent?.code ?? null);
  if (typeof written === 'string') return giveUp(run, explored, idea, written);
  const parents = parent === null ? [] : [parent.graded.number];
  let failureBefore = '';
  for (let repairs = 0; ; repairs += 1) {
    explored.programs += 1;
    const outcome = await tryProgram(run, task, search, { ...written, parents });
    explored.hidden.delete(outcome.kind === 'graded' ? outcome.graded.number : outcome.number);
    if (outcome.kind === 'graded') return count(task, search, explored, outcome.graded);
    const failure = outcome.failure.replaceAll(/\d+/g, '#');
    if (repairs >= MOST_REPAIRS || failure === failureBefore || leftS(run) <= 0) return giveUp(run, explored, idea, 'it kept failing');
    failureBefore = failure;
    const mended = await mend(explored, outcome, written.code);
    if (mended.kind === 'closed') return mended.reason;
    const next = readWritten(mended, written.code);
    if (typeof next === 'string') return giveUp(run, explored, idea, next);
    written = { ...next, title: written.title };
  }
}

/** Whether an idea made something better. */
function count(task: Task, search: Search, explored: Explored, graded: GradedSolution): null {
  const counts = !isSuspectOrUnprobed(search, graded.number) && isImprovement(task.metric, graded, explored.best);
  explored.fruitless = counts ? 0 : explored.fruitless + 1;
  if (!counts) return null;
  explored.replannedAt = 0;
  explored.best = graded;
  return null;
}

/** Nothing that could be chosen. */
function isSuspectOrUnprobed({ board }: Search, number: number): boolean {
  const graded = board.graded.get(number);
  return graded === undefined || isSuspect(graded) || lacksProbes(graded);
}

function giveUp(run: RunContext, explored: Explored, idea: Idea, why: string): null {
  explored.fruitless += 1;
  run.log.info(`Claude's idea "${cleanTitle(idea.title)}" is given up: ${why}`);
  return null;
}

async function mend(explored: Explored, { failure, said }: Extract<ProgramOutcome, { kind: 'failed' }>, code: string): Promise<Outcome> {
  const text = `${DEBUGGER}\n\nHow it ended: ${fence('failure', failure, 600)}\n\nWhat it printed last: ${fence('output', said, 4_000)}\n\n<program>\n${code}\n</program>`;
  return explored.asker.ask({
    role: 'debugger',
    strength: 'cheap',
    text,
    kinds: ['program', 'patch', 'nothing'],
    maxTokens: PROGRAM_TOKENS,
  });
}

/** The program of an answer, or why there is none. */
function readWritten(outcome: Exclude<Outcome, { kind: 'closed' }>, base: string | null): { title: string; code: string } | string {
  if (outcome.kind === 'failed') return outcome.reason;
  const { answer } = outcome;
  if (answer.kind === 'program') return { title: cleanTitle(answer.title), code: answer.code };
  if (answer.kind === 'nothing') return `Claude gave none: ${cleanTitle(answer.reason)}`;
  if (answer.kind !== 'patch' || base === null) return 'the answer is no program';
  const applied = applyEdits(base, answer.edits);
  return applied.ok ? { title: cleanTitle(answer.title), code: applied.code } : `its patch does not fit: ${applied.reason}`;
}

function cleanTitle(title: string): string {
  return cleanText(title.replaceAll('\n', ' ')).slice(0, MOST_TITLE_CHARS) || 'untitled';
}

/** The best program that may be part of a blend, with its text. */
async function chooseParent(
  run: RunContext,
  task: Task,
  search: Search,
  hidden: ReadonlySet<number>,
): Promise<{ readonly graded: GradedSolution; readonly code: string } | null> {
  const byScore = [...search.board.graded.values()]
    .filter((graded) => isMember(graded) && graded.kind === 'generated' && !hidden.has(graded.number))
    .toSorted((left, right) => compareScores(task.metric, right.score, left.score));
  for (const graded of byScore) {
    const code = await readProgram(run, graded.report);
    if (code !== null) return { graded, code: Buffer.from(code).toString('utf8') };
  }
  return null;
}

function addNote(run: RunContext, text: string): void {
  run.notes.push(text.slice(0, 500));
  run.log.info(text);
}
