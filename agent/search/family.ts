import type { Search } from './search.ts';
import type { GradedSolution } from './scoreboard.ts';

/** Recipes of one program are of one family, and so is what came of one program of Claude's by changing it. */
export function nameFamily({ board, programs }: Search, { number, kind, report }: GradedSolution): string {
  if (kind === 'recipe') return programs.get(number)?.path ?? `${number}`;
  let root = report;
  for (let parent = root.parents[0]; parent !== undefined; parent = root.parents[0]) {
    const above = board.reports.get(parent);
    if (above === undefined) break;
    root = above;
  }
  return `${root.number}`;
}

/** The first of each family, then all others, both in the given order: settings of one program answer alike, and add little to each other. */
export function orderByFamily(search: Search, ranked: readonly GradedSolution[]): GradedSolution[] {
  const seen = new Set<string>();
  const isFirst = new Set(
    ranked.filter((solution) => {
      const family = nameFamily(search, solution);
      return !seen.has(family) && seen.add(family);
    }),
  );
  return [...ranked.filter((each) => isFirst.has(each)), ...ranked.filter((each) => !isFirst.has(each))];
}
