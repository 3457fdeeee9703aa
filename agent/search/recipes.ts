import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { Space } from './settings.ts';
import type { TaskProfile } from '../evaluate/harness-protocol.ts';

/** Where the built-in programs are. */
export const RECIPES_INDEX = fileURLToPath(new URL('../python/recipes/index.json', import.meta.url));

const MANY_CLASSES = 10;
/** More than any rank. */
const LATE = 100;

/** Between the name of a recipe and the number of a setting of it. */
export const SETTING = '~';

/** Every type of target that a program can be for. */
export const ALL_TARGET_TYPES = [
  'binary',
  'multiclass',
  'regression',
  'quantile',
  'survival',
  'list',
  'set',
  'text',
  'mask',
  'masks',
  'boxes',
  'order',
  'move',
] as const;
/** Every kind of data that one can be for. */
export const ALL_MODALITIES = ['tabular', 'text', 'interactions', 'tour', 'four-in-a-row'] as const;

const RecipesIndex = z.object({
  schema_version: z.literal(1),
  recipes: z.array(
    z.object({
      name: z.string(),
      file: z.string(),
      title: z.string(),
      kind: z.enum(['rows', 'stack']).default('rows'),
      params: z.record(z.string(), z.unknown()),
      /** Parameters that may be searched when time is left. */
      space: Space.optional(),
      cost_rank: z.number(),
      /** Whether it takes so many times as long as there are classes. */
      tree_a_class: z.boolean().default(false),
      /** It takes about so many times what another recipe takes. */
      cost_like: z.object({ recipe: z.string(), times: z.number().positive() }).optional(),
      tasks: z.array(z.enum(ALL_TARGET_TYPES)),
      modalities: z.array(z.enum(ALL_MODALITIES)),
      max_train_rows: z.number(),
    }),
  ),
});

/** One program with one set of parameters: a candidate for a solution. */
export interface Recipe {
  /** Who wrote it. A generated program runs only where the sandbox holds, and is the best only after its probes. */
  readonly origin: 'built-in' | 'generated';
  readonly name: string;
  readonly title: string;
  /** `stack`: it learns from other solutions' scores, too. */
  readonly kind?: 'rows' | 'stack';
  readonly program: string;
  readonly sha256: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Parameters that may be searched when time is left; absent = none. */
  readonly space?: Space;
  /** Orders candidates, cheap and useful first. */
  readonly costRank: number;
  /** It takes so many times as long as there are classes: with many of them others come first. */
  readonly isTreeAClass?: boolean;
  /** It takes about so many times what another recipe takes on the same data; absent = nobody knows before its first fold. */
  readonly costLike?: { readonly recipe: string; readonly times: number };
  readonly targetTypes: readonly string[];
  readonly modalities: readonly string[];
  readonly maxTrainRows: number;
  /** The number that the solution had in a run that is done once more; absent = the next one. */
  readonly number?: number;
}

/** Reads the index of built-in programs and the programs' hashes. Throws when one is missing: that is a broken installation. */
export async function loadRecipes(indexPath: string = RECIPES_INDEX): Promise<Recipe[]> {
  const index = RecipesIndex.parse(JSON.parse(await readFile(indexPath, 'utf8')));
  const recipes: Recipe[] = [];
  for (const recipe of index.recipes) {
    const program = join(dirname(indexPath), recipe.file);
    const sha256 = createHash('sha256')
      .update(await readFile(program))
      .digest('hex');
    recipes.push({
      origin: 'built-in',
      name: recipe.name,
      title: recipe.title,
      kind: recipe.kind,
      program,
      sha256,
      params: recipe.params,
      ...(recipe.space === undefined ? {} : { space: recipe.space }),
      costRank: recipe.cost_rank,
      isTreeAClass: recipe.tree_a_class,
      ...(recipe.cost_like === undefined ? {} : { costLike: recipe.cost_like }),
      targetTypes: recipe.tasks,
      modalities: recipe.modalities,
      maxTrainRows: recipe.max_train_rows,
    });
  }
  return recipes;
}

/** The recipes that suit this task, cheapest first. Pure. */
export function chooseRecipes(recipes: readonly Recipe[], profile: TaskProfile): Recipe[] {
  return chooseSuitable(
    recipes.filter(({ kind }) => kind !== 'stack'),
    profile,
  );
}

/** The programs that can be a second level for this task, cheapest first. Pure. */
export function chooseStacks(recipes: readonly Recipe[], profile: TaskProfile): Recipe[] {
  return chooseSuitable(
    recipes.filter(({ kind }) => kind === 'stack'),
    profile,
  );
}

function chooseSuitable(recipes: readonly Recipe[], profile: TaskProfile): Recipe[] {
  const types = new Set(profile.targets.map((target) => target.type));
  const columns = Object.values(profile.column_types);
  const rows = [...(profile.recommender === null ? ['tabular'] : ['interactions']), ...(columns.includes('text') ? ['text'] : [])];
  const modalities = new Set(profile.objective === null ? rows : [profile.objective.of]);
  const suits = (recipe: Recipe): boolean =>
    [...types].every((type) => recipe.targetTypes.includes(type)) &&
    recipe.modalities.some((modality) => modalities.has(modality)) &&
    profile.train_rows <= recipe.maxTrainRows;
  const rank = (recipe: Recipe) => rankRecipe(recipe, profile);
  return recipes.filter(suits).toSorted((left, right) => rank(left) - rank(right) || left.name.localeCompare(right.name));
}

/** Its place in the order: programs for texts lead where there is nothing else, and those that grow a tree a class come late with many classes. */
function rankRecipe({ costRank, isTreeAClass = false, modalities }: Recipe, profile: TaskProfile): number {
  const isOfTexts = modalities.every((modality) => modality === 'text');
  const isTextAlone = profile.feature_columns.every((column) => profile.column_types[column] === 'text');
  const classes = Math.max(0, ...profile.targets.map((target) => target.classes?.length ?? 0));
  if (isTreeAClass && classes > MANY_CLASSES) return costRank + LATE;
  // Behind the first of all, which is the cheapest.
  return isOfTexts && isTextAlone ? 1 + costRank / LATE : costRank;
}
