import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { unpackInside } from '#adapters/kaggle/unpack.ts';
import type { Competition, CompetitionPage, Kaggle } from '#core/kaggle.ts';
import { competitionUrl, KaggleError } from '#core/kaggle.ts';

const MAX_FILES = 20_000;
const MAX_PAGE_BYTES = 1024 * 1024;
const MAX_PAGES = 50;

/** What a folder may say of its competition, in `competition.json`; every field may be missing. */
const Described = z.object({
  title: z.string().optional(),
  description: z.string().optional(),
  evaluationMetric: z.string().nullish(),
  pages: z.record(z.string(), z.string()).optional(),
});

/**
 * A folder in the place of Kaggle: data in `<folder>/data` or in the folder itself, pages in `<folder>/pages` or as Markdown files beside
 * the data, an optional `competition.json`. Nothing can be submitted to it. Throws KaggleError as the real client does.
 */
export function createFolderKaggle(path: string): Kaggle {
  const home = resolve(path);
  const readFolder = async () => {
    const inside = join(home, 'data');
    const isPacked = await isFolder(inside);
    if (!isPacked && !(await isFolder(home)))
      throw new KaggleError('not-found-or-private', `There is no folder ${home}. Give the folder that holds the data files.`);
    return { dataDir: isPacked ? inside : home, described: await readDescription(home) };
  };
  const listData = async () => {
    const { dataDir } = await readFolder();
    return { dataDir, files: await listFiles(dataDir) };
  };
  const nowhere = async (): Promise<never> => {
    throw new KaggleError('refused', 'A folder takes no submissions: give the address of a competition to submit there.');
  };
  return {
    getCompetition: async (slug) => makeCompetition(slug, (await readFolder()).described),
    getPages: async () => {
      const { dataDir, described } = await readFolder();
      return readPages(home, dataDir, described.pages ?? {});
    },
    listFiles: async () => (await listData()).files.map(({ name, bytes, changedAt }) => ({ name, bytes, createdAt: changedAt })),
    downloadAll: async (slug, dir) => {
      const { files } = await listData();
      return { path: join(dir, slug), bytes: files.reduce((sum, file) => sum + file.bytes, 0), md5: null, resumed: false };
    },
    unpack: async (_archive, dir, { signal } = {}) => {
      const { dataDir, files } = await listData();
      for (const { name } of files) {
        await mkdir(join(dir, name, '..'), { recursive: true });
        await cp(join(dataDir, name), join(dir, name), { dereference: true });
      }
      const copied = files.map(({ name, bytes }) => ({ path: name, bytes }));
      return unpackInside(dir, copied, signal === undefined ? {} : { signal });
    },
    submitFile: nowhere,
    getSubmission: nowhere,
    listSubmissions: async () => [],
    getLeaderboard: async () => [],
    getLimits: async () => ({ usedToday: 0, usedTotal: 0, allowedNow: 0 }),
  };
}

/** The slug of a folder: its name, with what a slug may not hold replaced. Two folders of one name differ in a hash of their place. */
export function nameFolder(path: string): string {
  const home = resolve(path);
  const readable = basename(home)
    .replaceAll(/[^A-Za-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 80);
  return `${readable === '' ? 'folder' : readable}-${createHash('sha256').update(home).digest('hex').slice(0, 6)}`;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}

async function readDescription(home: string): Promise<z.infer<typeof Described>> {
  const text = await readFile(join(home, 'competition.json'), 'utf8').catch(() => '{}');
  try {
    return Described.parse(JSON.parse(text));
  } catch {
    throw new KaggleError(
      'refused',
      `${join(home, 'competition.json')} is not a description of a competition. Correct it or take it away.`,
    );
  }
}

interface DataEntry {
  readonly name: string;
  readonly bytes: number;
  readonly changedAt: Date;
}

/** Regular files only: links and devices are left out. */
async function listFiles(dataDir: string): Promise<DataEntry[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile() && entry.name !== 'competition.json' && !entry.name.startsWith('.') && !isPage(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(dataDir.length + 1))
    .toSorted();
  if (names.length > MAX_FILES)
    throw new KaggleError('refused', `${dataDir} has more than ${MAX_FILES} files: give the folder of one competition.`);
  return Promise.all(
    names.map(async (name) => {
      const { size, mtime } = await stat(join(dataDir, name));
      return { name, bytes: size, changedAt: mtime };
    }),
  );
}

function isPage(name: string): boolean {
  return /\.(md|markdown)$/i.test(name);
}

async function readPages(home: string, dataDir: string, named: Readonly<Record<string, string>>): Promise<CompetitionPage[]> {
  const dir = (await isFolder(join(home, 'pages'))) ? join(home, 'pages') : dataDir;
  const files = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isFile() && isPage(entry.name)).slice(0, MAX_PAGES);
  const pages: CompetitionPage[] = [];
  for (const { name } of files) {
    const path = join(dir, name);
    if ((await stat(path)).size > MAX_PAGE_BYTES) continue;
    const title = Object.entries(named).find(([, file]) => file === name)?.[0] ?? name.replace(/\.\w+$/, '');
    pages.push({ name: title, content: await readFile(path, 'utf8') });
  }
  return pages;
}

function makeCompetition(slug: string, described: z.infer<typeof Described>): Competition {
  return {
    slug,
    title: described.title ?? slug,
    url: competitionUrl(slug),
    description: described.description ?? '',
    category: '',
    reward: '',
    organizationName: '',
    tags: [],
    deadline: null,
    evaluationMetric: described.evaluationMetric ?? null,
    maxDailySubmissions: 0,
    teamCount: 0,
    userHasEntered: true,
    isNotebookOnly: false,
    submissionsDisabled: true,
  };
}
