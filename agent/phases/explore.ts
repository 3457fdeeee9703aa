import type { RunContext, Task } from '../context.ts';
import type { Asker, Outcome, Question } from '../roles/ask.ts';
import type { Idea } from '../roles/replies.ts';
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
import { findBestTold, writeDigest } from '../roles/digest.ts';
import { fence } from '../roles/fence.ts';
import { ANALYST, DEBUGGER, DRAFTER, FUSER, IMPROVER, PLANNER } from '../roles/prompts/roles.ts';
import { RULES } from '../roles/prompts/rules.ts';
import { MAX_PAGE_CHARS, writeTaskDigest } from '../roles/task-digest.ts';
import { choosePair, chooseParent, listPrograms, measureLikeness } from '../search/choose-parents.ts';
import type { Parent } from '../search/choose-parents.ts';
import { compareScores, isImprovement, isSuspect, lacksProbes } from '../search/scoreboard.ts';
import { tryProgram } from '../search/try-program.ts';

const MOST_PROGRAMS = 40;
/** Ideas in a row that made nothing better: then the plan is made anew, then the search ends. */
const REPLAN_AFTER = 3;
const STOP_AFTER = 6;
const MOST_REPAIRS = 3;
const MOST_PLANS_WITHOUT_IDEAS = 2;
const PROGRAM_TOKENS = 16_000;
const PLAN_TOKENS = 4_000;
/** About ten thousand tokens of a cheap model, once a job. */
const MOST_PAGES_CHARS = 40_000;
const MOST_FACTS_CHARS = 5_000;
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
  if (task.profile.kind !== 'rows') return addNote(run, 'Claude was not asked: competitions without labels are left to the recipes.');
  const { budgetUsd, attempt } = run.spec;
  const ledger = openLedger({ capUsd: budgetUsd, spentUsd: run.earlier.spentUsd, attempt, append: (fact) => run.journal.append(fact) });
  let reason: string;
  let explored: Explored | null = null;
  try {
    explored = await begin(run, task, search, ledger);
    reason = (await readPages(run, task, explored.asker)) ?? (await goOn(run, task, search, explored));
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

/** What long pages say, in a few facts for the others. A text = why nobody is asked any more. */
async function readPages(run: RunContext, task: Task, asker: Asker): Promise<string | null> {
  const pages = task.description.trim();
  if (pages.length <= MAX_PAGE_CHARS) return null;
  run.voice.update({ message: 'Claude is reading the pages' });
  const read = await asker.ask({
    role: 'analyst',
    strength: 'cheap',
    text: `${ANALYST}\n\n${fence("all of the competition's pages", pages, MOST_PAGES_CHARS)}`,
    kinds: ['notes', 'nothing'],
    maxTokens: PLAN_TOKENS,
  });
  if (read.kind === 'closed') return read.reason;
  if (read.kind === 'answer' && read.answer.kind === 'notes' && read.answer.facts.length > 0) {
    // Written by Claude from what strangers wrote: as little an instruction as that.
    asker.tellAll(
      fence('facts from the pages', read.answer.facts.map((fact) => `- ${fact.replaceAll('\n', ' ')}`).join('\n'), MOST_FACTS_CHARS),
    );
  }
  return null;
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
  const text = `${PLANNER}\n\nTime that is left: ${left} of the whole.\n\n${await tellSoFar(run, task, search, explored)}`;
  const planned = await explored.asker.ask({
    role: 'planner',
    strength: 'strong',
    text,
    kinds: ['plan', 'nothing'],
    maxTokens: PLAN_TOKENS,
  });
  if (planned.kind === 'closed') return planned.reason;
  const programs = listPrograms(task, search, explored.hidden).length;
  const fresh =
    planned.kind === 'answer' && planned.answer.kind === 'plan'
      ? planned.answer.ideas.filter((each) => isNew(each, explored, programs))
      : [];
  explored.ideas.push(...fresh);
  explored.emptyPlans = fresh.length === 0 ? explored.emptyPlans + 1 : 0;
  return explored.emptyPlans >= MOST_PLANS_WITHOUT_IDEAS ? 'it had no further ideas' : null;
}

/** A draft of a family that was drafted before is no new idea, and two programs are joined only where there are two. */
function isNew({ kind, family }: Idea, { families }: Explored, programs: number): boolean {
  if (kind === 'fuse') return programs >= 2;
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
  const parents = await chooseParents(run, task, search, explored, idea);
  explored.families.add(plainFamily(idea.family));
  run.voice.update({ message: `Claude is writing: ${cleanTitle(idea.title)}` });
  const { role, text, kinds } = describeWork(idea, parents);
  const digest = await tellSoFar(run, task, search, explored);
  const answered = await explored.asker.ask({ role, strength: 'strong', text: `${text}\n\n${digest}`, kinds, maxTokens: PROGRAM_TOKENS });
  if (answered.kind === 'closed') return answered.reason;
  let written = readWritten(answered, kinds.includes('patch') ? (parents[0]?.code ?? null) : null);
  if (typeof written === 'string') return giveUp(run, explored, idea, written);
  const numbers = parents.map(({ graded }) => graded.number);
  let failureBefore = '';
  for (let repairs = 0; ; repairs += 1) {
    explored.programs += 1;
    const outcome = await tryProgram(run, task, search, { ...written, parents: numbers });
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

/** The programs that an idea starts from: none for a draft, and where there are none. */
async function chooseParents(run: RunContext, task: Task, search: Search, { hidden }: Explored, idea: Idea): Promise<readonly Parent[]> {
  if (idea.kind === 'draft') return [];
  if (idea.kind === 'fuse') return (await choosePair(run, task, search, hidden)) ?? [];
  const parent = await chooseParent(run, task, search, hidden);
  return parent === null ? [] : [parent];
}

/** What the engineer is asked for, and what may come back. */
function describeWork(idea: Idea, parents: readonly Parent[]): Pick<Question, 'role' | 'text' | 'kinds'> {
  const [first, second] = parents;
  const told = `The idea: ${fence('idea', `${idea.title}\n${idea.hypothesis}\n(${idea.family})`, 2_000)}`;
  const show = ({ graded, code }: Parent, which: string) =>
    `The program of solution ${graded.number}${which}:\n<program>\n${code}\n</program>`;
  if (first === undefined) return { role: 'drafter', text: `${DRAFTER}\n\n${told}`, kinds: ['program', 'nothing'] };
  if (second === undefined) {
    return {
      role: 'improver',
      text: `${IMPROVER}\n\n${told}\n\n${show(first, ', which it changes')}`,
      kinds: ['program', 'patch', 'nothing'],
    };
  }
  return { role: 'fuser', text: `${FUSER}\n\n${told}\n\n${show(first, '')}\n\n${show(second, '')}`, kinds: ['program', 'nothing'] };
}

/** What was tried so far, and how alike the others answer. */
async function tellSoFar(run: RunContext, task: Task, search: Search, { hidden }: Explored): Promise<string> {
  const best = findBestTold(search.board, task.metric, hidden);
  const others = [...search.board.graded.values()].filter(
    ({ kind, isRaw, number }) => (kind === 'recipe' || kind === 'generated') && isRaw && number !== best?.number && !hidden.has(number),
  );
  const likeness = best === undefined ? undefined : await measureLikeness(run, best, others);
  return fence('solutions so far', writeDigest(search.board, task.metric, hidden, likeness), 8_000);
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

function addNote(run: RunContext, text: string): void {
  run.notes.push(text.slice(0, 500));
  run.log.info(text);
}
