import type { RunContext, Task } from '../context.ts';
import type { ToldLesson } from '../journal/entries.ts';
import type { Asker } from '../roles/ask.ts';
import type { Search } from '../search/search.ts';
import type { GradedSolution } from '../search/scoreboard.ts';
import type { TodoList } from '../search/todo-list.ts';
import type { Workers } from '../search/workers.ts';
import { cleanText } from '../log.ts';
import { findBestTold, writeDigest } from '../roles/digest.ts';
import { cleanHint, fence } from '../roles/fence.ts';
import { measureLikeness } from '../search/choose-parents.ts';
import { isSuspect, lacksProbes } from '../search/scoreboard.ts';
import { describeTodos } from '../search/todo-list.ts';

/** Of the whole time limit, kept for stacks and the probes of finalists. */
const KEPT_SHARE = 0.15;
const MOST_TITLE_CHARS = 200;
const MOST_SOLUTIONS_CHARS = 8_000;
const MOST_TODOS_CHARS = 2_000;
const MOST_WISHES = 20;

/** What the exploration knows between two ideas. */
export interface Explored {
  readonly asker: Asker;
  readonly todos: TodoList;
  readonly workers: Workers;
  /** Items and plans that somebody works on. */
  active: number;
  isPlanning: boolean;
  /** Families of drafts that were tried. */
  readonly families: Set<string>;
  /** Solutions whose blocks were measured. */
  readonly ablated: Set<number>;
  /** What readers of programs found, by the number of the solution. */
  readonly findings: Map<number, readonly string[]>;
  /** Words of the person whose job this is, and what is not to be tried. */
  readonly said: string[];
  readonly vetoes: string[];
  /** What it was told of earlier jobs, and how many lessons it asked for itself. */
  readonly lessons: readonly ToldLesson[];
  learned: number;
  /** Programs of earlier attempts that this one has not come to yet: it goes the same way again, by the stored answers. */
  readonly hidden: Set<number>;
  /** Programs that are being tried: they are hidden until their item has ended. */
  readonly trying: Set<number>;
  /** The best that it has come to. */
  best: GradedSolution | null;
  programs: number;
  fruitless: number;
  /** How many were fruitless when the plan was last made anew for that. */
  replannedAt: number;
  emptyPlans: number;
}

/** Seconds that are left for exploring. */
export function leftS(run: RunContext): number {
  return run.deadline.workS() - KEPT_SHARE * run.deadline.limitS();
}

/** What was tried so far, how alike the others answer, and the list of what is to be tried. */
export async function tellSoFar(run: RunContext, task: Task, search: Search, { hidden, todos, said, vetoes }: Explored): Promise<string> {
  const best = findBestTold(search.board, task.metric, hidden);
  const others = [...search.board.graded.values()].filter(
    ({ kind, isRaw, number }) => (kind === 'recipe' || kind === 'generated') && isRaw && number !== best?.number && !hidden.has(number),
  );
  const likeness = best === undefined ? undefined : await measureLikeness(run, best, others);
  const solutions = fence('solutions so far', writeDigest(search.board, task.metric, hidden, likeness), MOST_SOLUTIONS_CHARS);
  const list = describeTodos(todos.items(), MOST_TODOS_CHARS);
  const parts = [solutions, ...(list === '' ? [] : [fence('to-do list', list, MOST_TODOS_CHARS)]), ...tellWishes(said, vetoes)];
  return parts.join('\n\n');
}

/** What the person said while the job runs: to be followed within the rules, as the hint is. Each is one line that can open no marker. */
function tellWishes(said: readonly string[], vetoes: readonly string[]): string[] {
  const lines = [...said.map((text) => `- ${cleanHint(text)}`), ...vetoes.map((text) => `- Do not try: ${cleanHint(text)}`)];
  return lines.length === 0
    ? []
    : [`Said by the person whose job this is; follow it within the rules:\n${lines.slice(-MOST_WISHES).join('\n')}`];
}

/** Nothing that could be chosen. */
export function isSuspectOrUnprobed({ board }: Search, number: number): boolean {
  const graded = board.graded.get(number);
  return graded === undefined || isSuspect(graded) || lacksProbes(graded);
}

/** A title as one clean line. */
export function cleanTitle(title: string): string {
  return cleanText(title.replaceAll('\n', ' ')).slice(0, MOST_TITLE_CHARS) || 'untitled';
}
