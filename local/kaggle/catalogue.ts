import { z } from 'zod';
import type { ServedCompetition } from './competitions.ts';
import { rulesNotAccepted, WireError } from './replies.ts';
import { buildBundle, describeObject } from './bundle.ts';
import { defineMethod, findCompetition, type Methods, type StandInContext } from './methods.ts';
import { slicePage, PageRequest } from './paging.ts';
import type { StandInUser } from './accounts.ts';

const ByName = z.object({ competitionName: z.string() });

/** What can be read about competitions, and their files. */
export const CATALOGUE_METHODS: Methods = {
  ListCompetitions: defineMethod(
    PageRequest.extend({ search: z.string().nullish(), group: z.string().nullish(), page: z.number().nullish() }),
    (context, user, request) => {
      const search = (request.search ?? '').toLowerCase();
      const isWanted = ({ slug, facts }: ServedCompetition): boolean =>
        `${slug} ${facts.title}`.toLowerCase().includes(search) &&
        (!/ENTERED/i.test(request.group ?? '') || context.accounts.hasEntered(user, slug));
      const found = [...context.competitions.values()].filter(isWanted);
      const isLaterPage = (request.page ?? 1) > 1;
      const { items, nextPageToken } = slicePage(isLaterPage ? [] : found, request, 20);
      return { competitions: items.map((one) => describeCompetition(context, user, one)), nextPageToken };
    },
  ),
  GetCompetition: defineMethod(ByName, (context, user, request) =>
    describeCompetition(context, user, findCompetition(context, request.competitionName, 'competitions.get')),
  ),
  ListCompetitionPages: defineMethod(ByName.extend({ pageName: z.string().nullish() }), (context, _user, request) => {
    const { pages } = findCompetition(context, request.competitionName, 'competitions.get');
    const wanted = request.pageName ?? '';
    return {
      pages: pages
        .filter((page) => wanted === '' || page.name === wanted)
        .map((page) => ({ ...page, isPublished: true, mimeType: 'text/markdown' })),
    };
  }),
  ListDataFiles: defineMethod(PageRequest.extend(ByName.shape), (context, _user, request) => {
    const { files, slug } = findCompetition(context, request.competitionName, 'competitions.get');
    const { items, nextPageToken } = slicePage(files, request, 20);
    const described = items.map((file) => ({
      ref: file.name,
      name: file.name,
      totalBytes: file.bytes,
      creationDate: file.modifiedAt,
      url: `https://www.kaggle.com/competitions/${slug}/data?select=${encodeURIComponent(file.name)}`,
    }));
    return { files: described, nextPageToken };
  }),
  GetCompetitionDataFilesSummary: defineMethod(ByName, (context, _user, request) =>
    summarizeFiles(findCompetition(context, request.competitionName, 'competitions.get')),
  ),
  DownloadDataFiles: defineMethod(ByName, async (context, user, request) => {
    const { slug, files } = requireAccess(context, user, request.competitionName);
    return { redirect: context.storage.signUrl(`${slug}/bundle/archive.zip`, await buildBundle(files, slug, context.state.bundlesDir)) };
  }),
  DownloadDataFile: defineMethod(ByName.extend({ fileName: z.string() }), async (context, user, request) => {
    const { slug, files } = requireAccess(context, user, request.competitionName);
    const file = files.find((one) => one.name === request.fileName);
    if (!file) throw fileMissing(request.fileName);
    if (file.bytes < context.zipFilesFromBytes)
      return { redirect: context.storage.signUrl(`${slug}/files/${file.name}`, await describeObject(file.path)) };
    const flat = [{ ...file, name: file.name.split('/').at(-1) ?? file.name }];
    const zipped = await buildBundle(flat, `${slug}-${file.name.replaceAll('/', '-')}`, context.state.bundlesDir);
    return { redirect: context.storage.signUrl(`${slug}/files/${file.name}.zip`, zipped) };
  }),
};

function fileMissing(fileName: string): Error {
  return new WireError(404, `The requested file '${fileName.slice(0, 120)}' was not found`);
}

/** Metadata is open to everyone who is signed in; the data only to those who accepted the rules. */
function requireAccess(context: StandInContext, user: StandInUser, name: string): ServedCompetition {
  const competition = findCompetition(context, name, 'competitions.get');
  if (!context.accounts.hasEntered(user, competition.slug)) throw rulesNotAccepted(competition.slug);
  return competition;
}

function describeCompetition(context: StandInContext, user: StandInUser, competition: ServedCompetition): object {
  const { slug, facts } = competition;
  const teams = new Set(
    context.state
      .submissions()
      .filter((one) => one.slug === slug)
      .map((one) => one.username),
  );
  const { pages: _pages, scoring: _scoring, showsPrivateScore: _shows, tags, enabledDate, deadline, ...plain } = facts;
  return {
    ...plain,
    ref: `https://www.kaggle.com/competitions/${slug}`,
    url: `https://www.kaggle.com/competitions/${slug}`,
    tags: tags.map((name) => ({ ref: name, name })),
    enabledDate: new Date(enabledDate),
    deadline: new Date(deadline),
    maxTeamSize: 5,
    teamCount: teams.size,
    userHasEntered: context.accounts.hasEntered(user, slug),
  };
}

function summarizeFiles({ files }: ServedCompetition): object {
  const byExtension = Map.groupBy(files, (file) => /\.[^./]+$/.exec(file.name)?.[0] ?? '');
  const fileTypes = [...byExtension].map(([extension, some]) => ({
    extension,
    fileCount: some.length,
    totalSize: String(some.reduce((total, file) => total + file.bytes, 0)),
  }));
  return { fileSummaryInfo: { totalFileCount: String(files.length), fileTypes } };
}
