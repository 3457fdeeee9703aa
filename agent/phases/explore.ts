import type { RunContext, Task } from '../context.ts';
import type { BudgetLedger } from '../budget/ledger.ts';
import type { Explored } from './exploration.ts';
import type { Idea } from '../roles/replies.ts';
import type { Instruction } from '#core/instruction.ts';
import type { Search } from '../search/search.ts';
import type { TodoItem, TodoRules } from '../search/todo-list.ts';
import { ClaimLost, describeError, RunEnds } from '../errors.ts';
import { isStop, throwIfStopped } from '../context.ts';
import { HarnessFailure } from '../harness-port.ts';
import { openLedger } from '../budget/ledger.ts';
import { ablateProgram, chooseAblated } from './ablate-program.ts';
import { isSuspectOrUnprobed, leftS, tellSoFar } from './exploration.ts';
import { prepareIdea } from './follow-idea.ts';
import { recallLessons, tellLessons } from './learn.ts';
import { createAsker } from '../roles/ask.ts';
import type { Asker } from '../roles/ask.ts';
import { fence } from '../roles/fence.ts';
import { RULES } from '../roles/prompts/rules.ts';
import { askAnalyst, askPlanner } from '../roles/questions.ts';
import { MAX_PAGE_CHARS, writeTaskDigest } from '../roles/task-digest.ts';
import { listPrograms } from '../search/choose-parents.ts';
import { compareScores } from '../search/scoreboard.ts';
import { createTodoList, normalise } from '../search/todo-list.ts';
import { createWorkers } from '../search/workers.ts';

const MOST_PROGRAMS = 40;
/** Ideas in a row that made nothing better: then the plan is made anew, then the search ends. */
const REPLAN_AFTER = 3;
const STOP_AFTER = 6;
const MOST_PLANS_WITHOUT_IDEAS = 2;
const MOST_FACTS_CHARS = 5_000;
const MOST_SILENCE_S = 60;

/** Why Claude has no turn in this job, for people; '' = nobody expects one. Null = it has one: then recipes leave it time. */
export function whyNoTurn(run: RunContext, { profile }: Task): string | null {
  if (run.model === null || run.spec.llm === 'off' || !run.sandbox.generatedCode.accepted) return '';
  if (profile.submission.form === 'answer') return 'Claude was not asked: answers that are texts are left to the recipes.';
  return profile.kind === 'rows' ? null : 'Claude was not asked: competitions without labels are left to the recipes.';
}

/**
 * With a key: Claude plans, writes programs, mends those that fail and improves the best, until the time, the budget or its ideas are over. Says
 * why it stopped. What goes wrong here takes nothing away.
 */
export async function explore(run: RunContext, task: Task, search: Search): Promise<void> {
  const whyNot = whyNoTurn(run, task);
  if (whyNot !== null) return whyNot === '' ? undefined : addNote(run, whyNot);
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
  search.todos = explored?.todos.items() ?? [];
  run.used.llmUsd = Math.round(ledger.spentUsd() * 1e6) / 1e6;
  const programs = `${explored?.programs ?? 0} program${explored?.programs === 1 ? '' : 's'}`;
  addNote(run, `Claude wrote ${programs} for $${ledger.spentUsd().toFixed(4)} of $${budgetUsd}; it stopped because ${reason}.`);
}

async function begin(run: RunContext, task: Task, search: Search, ledger: BudgetLedger): Promise<Explored> {
  const lessons = await recallLessons(run, task);
  const digest = [await writeTaskDigest(run, task, task.description), tellLessons(lessons)].filter((part) => part !== '');
  const system = [RULES, digest.join('\n')];
  const count = run.earlier.order?.workers ?? run.workers;
  const workers = createWorkers({
    count,
    recorded: run.earlier.order?.turns ?? [],
    record: async (index, event) => void (await run.journal.append({ type: 'turn', index, event, workers: count })),
  });
  const limits = {
    signal: run.signal,
    leftS: () => leftS(run),
    whyNot: () => (run.voice.secondsSinceStored() > MOST_SILENCE_S ? 'storage does not answer: nothing is spent' : null),
  };
  const asker = createAsker(run, ledger, system, limits, count === 1 ? null : workers.follows);
  const hidden = await hideLater(run, search);
  const known = [...search.board.graded.values()].filter(
    ({ kind, number }) => kind === 'recipe' && !hidden.has(number) && !isSuspectOrUnprobed(search, number),
  );
  const best = known.toSorted((left, right) => compareScores(task.metric, right.score, left.score))[0] ?? null;
  return {
    asker,
    todos: createTodoList(),
    workers,
    active: 0,
    isPlanning: false,
    trying: new Set(),
    families: new Set(),
    ablated: new Set(),
    findings: new Map(),
    lessons,
    learned: 0,
    said: [],
    vetoes: [],
    hidden,
    best,
    programs: 0,
    fruitless: 0,
    replannedAt: 0,
    emptyPlans: 0,
  };
}

/** What an earlier attempt came to after Claude's turn had begun: hidden until this one has gone the same way. */
async function hideLater(run: RunContext, search: Search): Promise<Set<number>> {
  const reports = [...search.board.reports.values()];
  // A journal without that fact may hold programs of Claude all the same: older versions did not write it.
  const told = run.earlier.explored ?? reports.filter(({ kind }) => kind !== 'generated').map(({ number }) => number);
  if (run.earlier.explored === null) await run.journal.append({ type: 'exploration-begun', known: [...told] });
  return new Set(reports.map(({ number }) => number).filter((number) => !told.includes(number)));
}

/** What long pages say, in a few facts for the others. A text = why nobody is asked any more. */
async function readPages(run: RunContext, task: Task, asker: Asker): Promise<string | null> {
  const pages = task.description.trim();
  if (pages.length <= MAX_PAGE_CHARS) return null;
  run.voice.update({ message: 'Claude is reading the pages' });
  const read = await asker.ask(askAnalyst(pages));
  if (read.kind === 'closed') return read.reason;
  if (read.kind === 'answer' && read.answer.kind === 'notes' && read.answer.facts.length > 0) {
    // Written by Claude from what strangers wrote: as little an instruction as that.
    asker.tellAll(
      fence('facts from the pages', read.answer.facts.map((fact) => `- ${fact.replaceAll('\n', ' ')}`).join('\n'), MOST_FACTS_CHARS),
    );
  }
  return null;
}

/** What a worker does next: work that ends with null or with why the whole search ends, wait for another worker, or stop. */
type Step =
  | { readonly kind: 'work'; readonly work: () => Promise<string | null> }
  | { readonly kind: 'rest'; readonly seen: number }
  | { readonly kind: 'over'; readonly reason: string };

/** One idea after the other, in each worker; the reason for which it ended. */
async function goOn(run: RunContext, task: Task, search: Search, explored: Explored): Promise<string> {
  const { workers } = explored;
  return workers.run(async () => {
    for (;;) {
      const step = await workers.turn('decide', (place) => decide(run, task, search, explored, place));
      if (step.kind === 'over') return step.reason;
      if (step.kind === 'rest') {
        // The decision itself was a change.
        await workers.rest(step.seen + 1);
        continue;
      }
      const ended = await step.work();
      if (ended !== null) return ended;
    }
  });
}

async function decide(run: RunContext, task: Task, search: Search, explored: Explored, place: number): Promise<Step> {
  throwIfStopped(run.signal);
  const { asker, hidden, trying, todos, workers } = explored;
  const over = workers.endedBecause();
  if (over !== null) return { kind: 'over', reason: over };
  if (!asker.isReplaying()) for (const number of hidden) if (!trying.has(number)) hidden.delete(number);
  await listen(run, explored, place);
  if (run.steering.isFinishing()) return { kind: 'over', reason: 'you asked it to finish' };
  // What an earlier attempt still had the time for is gone through again, by its answers.
  if (leftS(run) <= 0 && !asker.isNextKept()) return { kind: 'over', reason: 'its time is over' };
  if (explored.programs >= MOST_PROGRAMS) return { kind: 'over', reason: `${MOST_PROGRAMS} programs are the most` };
  await reconsider(run, task, search, explored);
  const item = todos.next();
  // What the person wants is tried all the same.
  if (explored.fruitless >= STOP_AFTER && item?.origin !== 'person') {
    return { kind: 'over', reason: `${STOP_AFTER} ideas in a row made nothing better` };
  }
  if (item === null && explored.active > 0 && (explored.isPlanning || explored.emptyPlans > 0))
    return { kind: 'rest', seen: workers.changes() };
  explored.active += 1;
  if (item === null) return { kind: 'work', work: await preparePlan(run, task, search, explored) };
  todos.take(item.id);
  return { kind: 'work', work: await prepareItem(run, task, search, explored, item) };
}

/** Hears what the person told the job since the last idea. */
async function listen(run: RunContext, explored: Explored, place: number): Promise<void> {
  await run.steering.poll();
  for (const instruction of await run.steering.take(place, explored.asker.isNextKept())) obey(explored, instruction);
}

function obey({ said, vetoes, todos }: Explored, instruction: Instruction): void {
  if (instruction.kind === 'say') said.push(instruction.text);
  if (instruction.kind === 'never') {
    vetoes.push(instruction.text);
    todos.drop('you do not want it', (item) => item.origin !== 'person' && isVetoed(item.idea, [instruction.text]));
  }
  if (instruction.kind !== 'try') return;
  const { text: title, why: hypothesis } = instruction;
  const idea: Idea = { kind: 'improve', title, hypothesis, family: title, expected_gain: 0, relative_cost: 1, after: [], lesson: null };
  todos.add([idea], 'person', { refuse: () => null }, 'first');
}

/** Whether the words of one of the vetoes stand in the idea, one after the other. */
function isVetoed({ title, hypothesis, family }: Pick<Idea, 'title' | 'hypothesis' | 'family'>, vetoes: readonly string[]): boolean {
  const words = ` ${normalise([title, family, hypothesis].join(' '))} `;
  return vetoes.some((veto) => normalise(veto) !== '' && words.includes(` ${normalise(veto)} `));
}

/** After some ideas in a row that made nothing better: what the planner wanted is dropped, and the best program's blocks are looked at. */
async function reconsider(run: RunContext, task: Task, search: Search, explored: Explored): Promise<void> {
  const { fruitless, replannedAt, todos } = explored;
  if (fruitless % REPLAN_AFTER !== 0 || fruitless === replannedAt) return;
  explored.replannedAt = fruitless;
  todos.drop('planned anew', ({ origin }) => origin === 'planner');
  if ((await chooseAblated(run, task, search, explored)) === null) return;
  const title = `What the best program's blocks are worth (${fruitless} ideas helped nothing)`;
  const idea: Idea = { kind: 'ablate', title, hypothesis: '', family: '', expected_gain: 0, relative_cost: 1, after: [], lesson: null };
  todos.add([idea], 'rule', { refuse: () => null }, 'first');
}

async function prepareItem(
  run: RunContext,
  task: Task,
  search: Search,
  explored: Explored,
  item: TodoItem,
): Promise<() => Promise<string | null>> {
  if (item.idea.kind !== 'ablate') return prepareIdea(run, task, search, explored, item);
  return () => ablateProgram(run, task, search, explored, { item, makeRules: (atS) => makeRules(run, task, search, explored, atS) });
}

/** Asks for a plan by what is known now; its ideas join the list when they come. The work gives why nothing will come any more, or null. */
async function preparePlan(run: RunContext, task: Task, search: Search, explored: Explored): Promise<() => Promise<string | null>> {
  const { asker, workers, todos } = explored;
  explored.isPlanning = true;
  run.voice.update({ message: 'Claude is planning' });
  const leftPercent = Math.round((100 * leftS(run)) / run.deadline.limitS());
  const question = askPlanner(leftPercent, await tellSoFar(run, task, search, explored));
  return async () => {
    const planned = await asker.ask(question);
    if (planned.kind === 'closed') return planned.reason;
    return workers.turn('plan', () => {
      const ideas = planned.kind === 'answer' && planned.answer.kind === 'plan' ? planned.answer.ideas : [];
      const taken = todos.add(ideas, 'planner', makeRules(run, task, search, explored, planned.leftS));
      explored.isPlanning = false;
      explored.active -= 1;
      explored.emptyPlans = taken === 0 ? explored.emptyPlans + 1 : 0;
      if (explored.emptyPlans < MOST_PLANS_WITHOUT_IDEAS) return null;
      return ideas.length === 0 ? 'it had no further ideas' : 'its further ideas were all refused';
    });
  };
}

/**
 * What keeps an idea off the list: a draft of a family that was drafted before, joining two programs where there are no two, and what would take longer
 * than there is time.
 */
function makeRules(
  run: RunContext,
  task: Task,
  search: Search,
  { asker, best, hidden, families, vetoes }: Explored,
  answeredAtS: number | null,
): TodoRules {
  const programs = listPrograms(task, search, hidden).length;
  const bestS = best === null ? 0 : (search.board.reports.get(best.number)?.seconds ?? 0);
  return {
    refuse(idea) {
      const { kind, family, relative_cost: cost } = idea;
      if (isVetoed(idea, vetoes)) return 'you do not want it';
      if (kind === 'fuse' && programs < 2) return 'there are no two programs to join';
      if (kind === 'draft' && families.has(normalise(family))) return 'its family was drafted before';
      // An attempt that goes an earlier one's way leaves off what that one had no time for, and nothing else.
      const atS = answeredAtS ?? (asker.isReplaying() ? Infinity : leftS(run));
      return cost * bestS > Math.max(0, atS) ? 'it would take longer than there is time' : null;
    },
  };
}

function addNote(run: RunContext, text: string): void {
  run.notes.push(text.slice(0, 500));
  run.log.info(text);
}
