import type { RunContext, Task } from '../context.ts';
import type { Explored } from './exploration.ts';
import type { Search } from '../search/search.ts';
import type { Parent } from '../search/choose-parents.ts';
import type { BlockEffect } from '../journal/entries.ts';
import type { TodoEnd, TodoItem, TodoRules } from '../search/todo-list.ts';
import { askAblationReader } from '../roles/questions.ts';
import { chooseParent } from '../search/choose-parents.ts';
import { describeEffects, listBlocks, measureBlocks } from '../search/ablate.ts';

/** The program whose blocks would be measured next: the best of Claude's, once; null where it names none. */
export async function chooseAblated(run: RunContext, task: Task, search: Search, { hidden, ablated }: Explored): Promise<Parent | null> {
  const parent = await chooseParent(run, task, search, hidden);
  if (parent === null || ablated.has(parent.graded.number) || listBlocks(parent.code).length === 0) return null;
  return parent;
}

/**
 * Measures what the blocks of the best program are worth and has the reader say what follows; its ideas go in front of the planner's. A text = why
 * nobody is asked any more.
 */
export async function ablateProgram(
  run: RunContext,
  task: Task,
  search: Search,
  explored: Explored,
  { item, makeRules }: { readonly item: TodoItem; readonly makeRules: (answeredAtS: number | null) => TodoRules },
): Promise<string | null> {
  const { asker, todos, workers } = explored;
  const end = (how: TodoEnd): Promise<null> =>
    workers.turn(`end:${item.id}`, () => {
      todos.end(item.id, how);
      explored.active -= 1;
      return null;
    });
  const nothing = (why: string): Promise<null> => end({ how: 'did not help', why, solution: null });
  const parent = await workers.turn(`choose:${item.id}`, async () => {
    const chosen = await chooseAblated(run, task, search, explored);
    if (chosen !== null) explored.ablated.add(chosen.graded.number);
    return chosen;
  });
  if (parent === null) return nothing('there is no program with blocks that were not measured');
  const effects = await workers.train(`train:${item.id}`, () => findEffects(run, task, search, parent));
  if (effects === null) return nothing('no time to run it without its blocks');
  const described = describeEffects(effects);
  run.log.info(`blocks of solution ${parent.graded.number}: ${described.replaceAll('\n', '; ')}`);
  const read = await asker.ask(askAblationReader(parent, described));
  if (read.kind === 'closed') return read.reason;
  if (read.kind === 'failed') return nothing(read.reason);
  const ideas = read.answer.kind === 'plan' ? read.answer.ideas.filter(({ kind }) => kind === 'improve') : [];
  return workers.turn(`end:${item.id}`, () => {
    const taken = todos.add(ideas, 'ablation', makeRules(read.leftS), 'first');
    const how: TodoEnd =
      taken === 0
        ? { how: 'did not help', why: 'nothing follows from it', solution: null }
        : { how: 'helped', why: `${taken} ideas follow from it`, solution: parent.graded.number };
    todos.end(item.id, how);
    explored.active -= 1;
    return null;
  });
}

/** What an earlier attempt measured, else what is measured now; null = there is no time for it. */
async function findEffects(run: RunContext, task: Task, search: Search, { graded, code }: Parent): Promise<readonly BlockEffect[] | null> {
  const known = run.earlier.effects.get(graded.number);
  if (known !== undefined) return known;
  const program = search.programs.get(graded.number);
  const effects = program === undefined ? null : await measureBlocks(run, task, program, listBlocks(code));
  if (effects !== null) await run.journal.append({ type: 'ablated', solution: graded.number, effects });
  return effects;
}
