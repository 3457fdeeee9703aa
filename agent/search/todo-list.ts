import type { Idea } from '../roles/replies.ts';

/** Who put an item on the list. */
export type TodoOrigin = 'planner' | 'person' | 'ablation' | 'rule';

/** How an item ended. `dropped` = it was never tried. */
export interface TodoEnd {
  readonly how: 'helped' | 'did not help' | 'failed' | 'dropped';
  readonly why: string;
  /** The solution that came of it. */
  readonly solution: number | null;
}

/** One thing to be tried, or tried. `after` = items that must have led to a solution before it; a lesson is what it follows. */
export interface TodoItem {
  readonly id: number;
  readonly idea: Pick<Idea, 'kind' | 'title' | 'hypothesis' | 'family' | 'expected_gain' | 'relative_cost' | 'lesson'>;
  readonly origin: TodoOrigin;
  readonly after: readonly number[];
  /** Somebody tries it now. */
  readonly isTaken: boolean;
  readonly end: TodoEnd | null;
}

/** What decides whether an idea is worth a place on the list. */
export interface TodoRules {
  /** Why the idea is not taken, or null. */
  refuse(idea: Idea): string | null;
}

/** What is to be tried, in order, and what came of what was tried. An item that has ended is never changed again. */
export interface TodoList {
  items(): readonly TodoItem[];
  /** Puts ideas at the end, or in front of the planner's (`first`). Those that are refused, doubled, or wait for each other are not taken. */
  add(ideas: readonly Idea[], origin: TodoOrigin, rules: TodoRules, place?: 'first' | 'last'): number;
  /** The next open item that nobody tries, whose predecessors led to something; null when there is none. What waits for something that led to nothing is dropped. */
  next(): TodoItem | null;
  /** Nobody else gets it any more. */
  take(id: number): void;
  end(id: number, end: TodoEnd): void;
  /** Drops open items that `choose` picks; how many. */
  drop(why: string, choose: (item: TodoItem) => boolean): number;
}

const MOST_ITEMS = 200;

/** An empty list. */
export function createTodoList(): TodoList {
  let items: TodoItem[] = [];
  const end = (id: number, how: TodoEnd): void => {
    items = items.map((item) => (item.id === id && item.end === null ? { ...item, end: how } : item));
  };
  const drop = (why: string, choose: (item: TodoItem) => boolean): number => {
    const chosen = items.filter((item) => item.end === null && !item.isTaken && choose(item));
    for (const { id } of chosen) end(id, { how: 'dropped', why, solution: null });
    return chosen.length;
  };
  return {
    items: () => items,
    end,
    drop,
    take(id) {
      items = items.map((item) => (item.id === id ? { ...item, isTaken: true } : item));
    },
    add(ideas, origin, rules, place = 'last') {
      const open = items.filter((item) => item.end === null);
      const taken: TodoItem[] = [];
      for (const idea of orderIdeas(ideas)) {
        if (items.length + taken.length >= MOST_ITEMS || rules.refuse(idea) !== null) continue;
        if ([...open, ...taken].some((item) => isSame(item.idea, idea))) continue;
        const after = idea.after.map((name) => findNamed([...items, ...taken], name));
        if (after.some((found) => found === undefined)) continue;
        const id = items.length + taken.length + 1;
        taken.push({
          id,
          idea,
          origin,
          after: after.flatMap((found) => (found === undefined ? [] : [found.id])),
          isTaken: false,
          end: null,
        });
      }
      items = place === 'first' ? [...taken, ...items] : [...items, ...taken];
      return taken.length;
    },
    next() {
      for (;;) {
        const blocked = drop('what it waits for led to nothing', (item) => item.after.some((id) => isFruitless(items, id)));
        if (blocked === 0) break;
      }
      const ready = items.filter((item) => item.end === null && !item.isTaken && item.after.every((id) => hasLed(items, id)));
      return ready.find(({ origin }) => origin === 'person') ?? ready[0] ?? null;
    },
  };
}

/** Ideas that wait for others come after them; those in a circle, and those that wait for them, are left out. */
function orderIdeas(ideas: readonly Idea[]): Idea[] {
  const ordered: Idea[] = [];
  let left = [...ideas];
  for (;;) {
    const waiting = new Set(left.map(({ title }) => normalise(title)));
    const ready = left.filter(({ after }) => !after.some((name) => waiting.has(normalise(name))));
    if (ready.length === 0) return ordered;
    ordered.push(...ready);
    left = left.filter((idea) => !ready.includes(idea));
  }
}

/** The same by name; two drafts also when they are of one family. */
function isSame(left: TodoItem['idea'], right: TodoItem['idea']): boolean {
  if (normalise(left.title) === normalise(right.title)) return true;
  return left.kind === 'draft' && right.kind === 'draft' && normalise(left.family) === normalise(right.family);
}

function findNamed(items: readonly TodoItem[], name: string): TodoItem | undefined {
  return items.findLast(({ idea }) => normalise(idea.title) === normalise(name));
}

function hasLed(items: readonly TodoItem[], id: number): boolean {
  return (items.find((item) => item.id === id)?.end?.solution ?? null) !== null;
}

function isFruitless(items: readonly TodoItem[], id: number): boolean {
  const found = items.find((item) => item.id === id);
  return found === undefined || (found.end !== null && found.end.solution === null);
}

/** The same words in the same order are the same name, however they are written. */
export function normalise(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}

/** The list as the planner and the report read it, one line an item; the newest ends first, cut to `maxChars`. */
export function describeTodos(items: readonly TodoItem[], maxChars: number): string {
  const open = items.filter((item) => item.end === null);
  const ended = items.filter((item) => item.end !== null).toReversed();
  const lines: string[] = [];
  let length = 0;
  for (const item of [...open, ...ended]) {
    const line = describeTodo(item);
    if (length + line.length > maxChars) {
      lines.push(`and ${items.length - lines.length} more`);
      break;
    }
    lines.push(line);
    length += line.length + 1;
  }
  return lines.join('\n');
}

function describeTodo({ idea, origin, isTaken, end }: TodoItem): string {
  const from = origin === 'planner' ? '' : `, ${origin === 'person' ? 'wanted by the person' : `by ${origin}`}`;
  const came = end?.solution == null ? '' : ` as #${end.solution}`;
  const state = end === null ? (isTaken ? 'being tried' : 'open') : `${end.how}${came}${end.why === '' ? '' : `: ${end.why}`}`;
  return `${idea.kind} "${idea.title.replaceAll('\n', ' ')}"${from}: ${state}`.slice(0, 300);
}
