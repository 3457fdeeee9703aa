import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { competitionUrl } from '#core/kaggle.ts';
import { PROJECT_DIR } from './config.ts';

/** Where the bundled competitions lie, and (never served) their answers. */
export const EXAMPLES_DIR = join(PROJECT_DIR, 'examples');
export const ANSWERS_DIR = join(PROJECT_DIR, 'examples/answers');

const CompetitionFile = z.object({ title: z.string() });

export interface BundledCompetition {
  readonly slug: string;
  readonly title: string;
  readonly url: string;
  readonly dir: string;
}

/** The competitions of `examples/`, by slug. */
export async function listBundledCompetitions(): Promise<BundledCompetition[]> {
  const found: BundledCompetition[] = [];
  for (const entry of await readdir(EXAMPLES_DIR, { withFileTypes: true })) {
    const text = await readFile(join(EXAMPLES_DIR, entry.name, 'competition.json'), 'utf8').catch(() => null);
    if (text === null) continue;
    const { title } = CompetitionFile.parse(JSON.parse(text));
    found.push({ slug: entry.name, title, url: competitionUrl(entry.name), dir: join(EXAMPLES_DIR, entry.name) });
  }
  return found;
}
