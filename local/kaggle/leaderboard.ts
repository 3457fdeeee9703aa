import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import { ZipFile } from 'yazl';
import { defineMethod, findCompetition, type Methods, type StandInContext } from './methods.ts';
import { PageRequest, slicePage } from './paging.ts';
import { formatScore, settleScores } from './submissions.ts';

const ByName = z.object({ competitionName: z.string() });

interface Standing {
  teamId: number;
  teamName: string;
  score: number;
  submittedAt: Date;
  submissions: number;
}

/** The public leaderboard, as a list and as the zip that Kaggle gives. */
export const LEADERBOARD_METHODS: Methods = {
  GetLeaderboard: defineMethod(PageRequest.extend(ByName.shape), (context, _user, request) => {
    const rows = rankTeams(context, request.competitionName);
    const { items, nextPageToken } = slicePage(rows, request, 20);
    const submissions = items.map((row) => ({
      teamId: row.teamId,
      teamName: row.teamName,
      submissionDate: row.submittedAt,
      score: formatScore(row.score),
    }));
    return { submissions, nextPageToken };
  }),
  DownloadLeaderboard: defineMethod(ByName, async (context, _user, request) => {
    const rows = rankTeams(context, request.competitionName);
    return { bytes: await zipLeaderboard(context, request.competitionName, rows), fileName: `${request.competitionName}.zip` };
  }),
};

/** Each team's best public score, best first; the sample submission's score stands among them as a benchmark. */
function rankTeams(context: StandInContext, name: string): Standing[] {
  const { slug, facts, benchmarkScore, isHigherBetter } = findCompetition(context, name, 'competitions.get');
  settleScores(context);
  const sign = isHigherBetter ? -1 : 1;
  const byTeam = Map.groupBy(
    context.state.submissions().filter((one) => one.slug === slug && one.publicScore !== null),
    (one) => one.username,
  );
  const rows = [...byTeam].map(([teamName, own]): Standing => {
    const [best] = own.toSorted((a, b) => sign * ((a.publicScore ?? 0) - (b.publicScore ?? 0)));
    const submittedAt = new Date(best?.submittedAt ?? 0);
    return { teamId: context.accounts.idOf(teamName), teamName, score: best?.publicScore ?? 0, submittedAt, submissions: own.length };
  });
  if (benchmarkScore !== null) {
    rows.push({
      teamId: 1,
      teamName: 'Sample Submission Benchmark',
      score: benchmarkScore,
      submittedAt: new Date(facts.enabledDate),
      submissions: 1,
    });
  }
  return rows.toSorted((a, b) => sign * (a.score - b.score) || a.submittedAt.getTime() - b.submittedAt.getTime());
}

/** One CSV with a byte order mark, named with the time, in a zip. */
async function zipLeaderboard(context: StandInContext, slug: string, rows: Standing[]): Promise<Buffer> {
  const lines = rows.map((row, index) =>
    [
      index + 1,
      row.teamId,
      quote(row.teamName),
      row.submittedAt.toISOString().slice(0, 19).replace('T', ' '),
      formatScore(row.score),
      row.submissions,
      quote(row.teamName),
    ].join(','),
  );
  const csv = ['Rank,TeamId,TeamName,LastSubmissionDate,Score,SubmissionCount,TeamMemberUserNames', ...lines].join('\n');
  const zip = new ZipFile();
  const name = `${slug}-publicleaderboard-${context.now().toISOString().slice(0, 19)}.csv`;
  zip.addBuffer(Buffer.from(`\uFEFF${csv}\n`), name, { mtime: context.now() });
  zip.end();
  return buffer(zip.outputStream);
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
