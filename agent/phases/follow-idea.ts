import type { RunContext, Task } from '../context.ts';
import type { Outcome } from '../roles/ask.ts';
import type { Explored } from './exploration.ts';
import type { Search } from '../search/search.ts';
import type { GradedSolution } from '../search/scoreboard.ts';
import type { Parent } from '../search/choose-parents.ts';
import type { TodoEnd, TodoItem } from '../search/todo-list.ts';
import { applyEdits } from '../roles/apply-edits.ts';
import { askDebugger, askEngineer } from '../roles/questions.ts';
import { choosePair, chooseParent } from '../search/choose-parents.ts';
import { cleanTitle, isSuspectOrUnprobed, leftS, tellSoFar } from './exploration.ts';
import { isImprovement } from '../search/scoreboard.ts';
import { learnFrom, noteOutcome } from './learn.ts';
import { normalise } from '../search/todo-list.ts';
import { reviewProgram } from './review-program.ts';
import { tryProgram } from '../search/try-program.ts';

const MOST_REPAIRS = 3;

/** Asks for an idea's program by what is known now. The work writes, runs and mends it; it gives why the whole search ends, or null. */
export async function prepareIdea(
  run: RunContext,
  task: Task,
  search: Search,
  explored: Explored,
  item: TodoItem,
): Promise<() => Promise<string | null>> {
  const { idea } = item;
  const parents = await chooseParents(run, task, search, explored, idea.kind);
  if (idea.kind === 'draft') explored.families.add(normalise(idea.family));
  run.voice.update({ message: `Claude is writing: ${cleanTitle(idea.title)}` });
  const findings = parents.flatMap(({ graded }) => explored.findings.get(graded.number) ?? []);
  const question = askEngineer(idea, parents, findings, await tellSoFar(run, task, search, explored));
  return async () => {
    const answered = await explored.asker.ask(question);
    if (answered.kind === 'closed') return answered.reason;
    const base = question.kinds.includes('patch') ? (parents[0]?.code ?? null) : null;
    const first = readWritten(answered, base);
    if (typeof first === 'string') return giveUp(run, explored, { item, tried: [] }, first);
    return tryAndMend(run, task, search, explored, { item, first, parents });
  };
}

/** Runs a program, and what the debugger makes of it, until one is graded or there is no sense in going on. */
async function tryAndMend(
  run: RunContext,
  task: Task,
  search: Search,
  explored: Explored,
  { item, first, parents }: { readonly item: TodoItem; readonly first: Written; readonly parents: readonly Parent[] },
): Promise<string | null> {
  let written = first;
  let failureBefore = '';
  const tried: number[] = [];
  const onNumber = (number: number): void => {
    tried.push(number);
    // Others hear of it when its item ends.
    explored.hidden.add(number);
    explored.trying.add(number);
  };
  for (let repairs = 0; ; repairs += 1) {
    explored.programs += 1;
    const program = { ...written, parents: parents.map(({ graded }) => graded.number), onNumber };
    const outcome = await explored.workers.train(`train:${item.id}`, () => tryProgram(run, task, search, program));
    if (outcome.kind === 'graded')
      return count(run, task, search, explored, { item, tried, parents, graded: outcome.graded, code: written.code });
    const failure = outcome.failure.replaceAll(/\d+/g, '#');
    const isLate = leftS(run) <= 0 && !explored.asker.isNextKept();
    const isHopeless = repairs >= MOST_REPAIRS || failure === failureBefore || isLate;
    if (isHopeless) return giveUp(run, explored, { item, tried }, 'it kept failing');
    failureBefore = failure;
    const mended = await explored.asker.ask(askDebugger(outcome.failure, outcome.said, written.code));
    if (mended.kind === 'closed') return mended.reason;
    const next = readWritten(mended, written.code);
    if (typeof next === 'string') return giveUp(run, explored, { item, tried }, next);
    written = { ...next, title: written.title };
  }
}

/** The programs that an idea starts from: none for a draft, and where there are none. */
async function chooseParents(
  run: RunContext,
  task: Task,
  search: Search,
  { hidden }: Explored,
  kind: TodoItem['idea']['kind'],
): Promise<readonly Parent[]> {
  if (kind === 'draft') return [];
  if (kind === 'fuse') return (await choosePair(run, task, search, hidden)) ?? [];
  const parent = await chooseParent(run, task, search, hidden);
  return parent === null ? [] : [parent];
}

/** What was tried of an item, and what came of it. */
interface Counted {
  readonly item: TodoItem;
  readonly tried: readonly number[];
  readonly parents: readonly Parent[];
  readonly graded: GradedSolution;
  readonly code: string;
}

/** Whether an idea made something better; a program that did is read by the reviewer, and what the change taught is kept for later jobs. A text = why the whole search ends. */
async function count(run: RunContext, task: Task, search: Search, explored: Explored, counted: Counted): Promise<string | null> {
  const { item, parents, graded, code } = counted;
  const helped = await explored.workers.turn(`end:${item.id}`, () => {
    const isBetter = !isSuspectOrUnprobed(search, graded.number) && isImprovement(task.metric, graded, explored.best);
    endItem(explored, counted, { how: isBetter ? 'helped' : 'did not help', why: '', solution: graded.number });
    explored.fruitless = isBetter ? 0 : explored.fruitless + 1;
    if (isBetter) {
      explored.replannedAt = 0;
      explored.best = graded;
    }
    return isBetter;
  });
  await noteOutcome(run, explored, item.idea.lesson, helped);
  if (!helped) return null;
  const ended = await reviewProgram(run, search, explored, { item: item.id, number: graded.number, code });
  const [parent] = parents;
  return ended !== null || parent === undefined ? ended : learnFrom(run, task, explored, { parent, graded, code });
}

async function giveUp(run: RunContext, explored: Explored, ended: Pick<Counted, 'item' | 'tried'>, why: string): Promise<null> {
  await explored.workers.turn(`end:${ended.item.id}`, () => {
    explored.fruitless += 1;
    endItem(explored, ended, { how: 'failed', why: cleanTitle(why), solution: null });
  });
  run.log.info(`Claude's idea "${cleanTitle(ended.item.idea.title)}" is given up: ${why}`);
  return null;
}

function endItem(explored: Explored, { item, tried }: Pick<Counted, 'item' | 'tried'>, end: TodoEnd): void {
  explored.todos.end(item.id, end);
  explored.active -= 1;
  for (const number of tried) {
    explored.hidden.delete(number);
    explored.trying.delete(number);
  }
}

interface Written {
  readonly title: string;
  readonly code: string;
}

/** The program of an answer, or why there is none. */
function readWritten(outcome: Exclude<Outcome, { kind: 'closed' }>, base: string | null): Written | string {
  if (outcome.kind === 'failed') return outcome.reason;
  const { answer } = outcome;
  if (answer.kind === 'program') return { title: cleanTitle(answer.title), code: answer.code };
  if (answer.kind === 'nothing') return `Claude gave none: ${cleanTitle(answer.reason)}`;
  if (answer.kind !== 'patch' || base === null) return 'the answer is no program';
  const applied = applyEdits(base, answer.edits);
  return applied.ok ? { title: cleanTitle(answer.title), code: applied.code } : `its patch does not fit: ${applied.reason}`;
}
