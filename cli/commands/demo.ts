import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readClaudeKey } from '#local/claude-key.ts';
import { startLocalPlane } from '#local/plane.ts';
import { listBundledCompetitions } from '#local/bundled.ts';
import type { CommandContext } from '../context.ts';
import type { JobView, ResultView } from '../wire.ts';
import { CliError, EXIT_CODES, exitCodeForState } from '../exit-codes.ts';
import { SubmissionName } from '#core/report.ts';
import { ServiceClient } from '../client.ts';
import { ProgressLine, formatScore, formatSeconds, stripControls } from '../output.ts';
import { saveResultFile } from './result.ts';

interface DemoFlags {
  readonly competition: string;
  readonly timeLimit: number;
  readonly llm?: boolean;
  readonly budgetUsd: number;
  readonly json?: boolean;
  readonly keep?: boolean;
  readonly out: string;
}

/** `demo`: the whole product on this machine, over HTTP like any client: submit a bundled competition by its URL, watch, download, report. */
export async function demoCommand(context: CommandContext, flags: DemoFlags): Promise<number> {
  const bundled = await listBundledCompetitions();
  const competition = bundled.find(({ slug }) => slug === flags.competition);
  if (competition === undefined) {
    const known = bundled.map(({ slug }) => slug).join(', ');
    throw new CliError(`There is no bundled competition "${flags.competition}". There are: ${known}.`, EXIT_CODES.usage);
  }
  const asksClaude = flags.llm === true;
  if (asksClaude && (await readClaudeKey(context.env)) === null) {
    throw new CliError(
      '--llm needs a key: put it in ANTHROPIC_API_KEY, or a file with it in KAGGLE_AGENT_CLAUDE_KEY_FILE.',
      EXIT_CODES.auth,
    );
  }
  const startedAt = performance.now();
  const dataDir = await mkdtemp(join(tmpdir(), 'kaggle-agent-demo-'));
  context.console.progress(`starting Postgres, brokers and functions in ${dataDir}\n`);
  const plane = await startLocalPlane({ dataDir, port: 0, logLevel: 'silent', tickMs: 1000, env: context.env });
  try {
    const client = new ServiceClient({ urls: { submit: plane.url, status: plane.url, result: plane.url }, apiKey: null });
    context.console.progress(`dashboard: ${plane.url}/\nsubmitting ${competition.url}\n`);
    const { job_id: jobId } = await client.submit(
      {
        kaggle_url: competition.url,
        time_limit_s: flags.timeLimit,
        submit_to_kaggle: true,
        // A key that happens to be there is not used unasked.
        llm: asksClaude ? 'auto' : 'off',
        budget_usd: flags.budgetUsd,
      },
      null,
    );
    const job = await watchToEnd(context, client, jobId);
    const { result } = await client.result(jobId);
    const submission = await saveSubmission(client, { jobId, slug: competition.slug, out: flags.out, job });
    report(context, { job, result, submission, seconds: (performance.now() - startedAt) / 1000, json: flags.json === true });
    return exitCodeForState(job.status);
  } finally {
    await plane.close();
    if (flags.keep === true) context.console.progress(`kept: ${dataDir}\n`);
    else await rm(dataDir, { recursive: true, force: true });
  }
}

async function watchToEnd(context: CommandContext, client: ServiceClient, jobId: string): Promise<JobView> {
  const line = new ProgressLine(context.console);
  try {
    for await (const event of client.events(jobId, { signal: context.signal })) line.show(event);
  } finally {
    line.close();
  }
  if (context.signal.aborted) {
    await client.cancel(jobId).catch(() => undefined);
    throw new CliError('Interrupted; the demo was stopped and its folder removed.', EXIT_CODES.interrupted);
  }
  return client.describe(jobId);
}

async function saveSubmission(
  client: ServiceClient,
  params: { readonly jobId: string; readonly slug: string; readonly out: string; readonly job: JobView },
): Promise<string | null> {
  if (params.job.status !== 'success') return null;
  const folder = resolve(params.out, params.slug);
  const paths = [];
  const { result } = await client.result(params.jobId);
  const submission = result?.files.find(({ name }) => SubmissionName.safeParse(name).success)?.name ?? 'submission.csv';
  for (const name of [submission, 'report.html']) paths.push(await saveResultFile(client, { jobId: params.jobId, name, folder }));
  return paths[0] ?? null;
}

function report(
  context: CommandContext,
  params: {
    readonly job: JobView;
    readonly result: ResultView['result'];
    readonly submission: string | null;
    readonly seconds: number;
    readonly json: boolean;
  },
): void {
  const { job, result, submission, seconds } = params;
  if (job.error !== null) context.console.progress(`${job.status}: ${job.error.message}\n`);
  if (params.json) {
    const line = {
      job_id: job.job_id,
      status: job.status,
      submission,
      valid: result?.valid ?? false,
      metric: result?.metric ?? null,
      cv: result?.cv ?? null,
      leaderboard: result?.leaderboard == null ? null : { public: result.leaderboard.public, private: result.leaderboard.private },
      first_valid_seconds: result?.first_valid_seconds ?? null,
      seconds: Number(seconds.toFixed(1)),
      quality: result?.quality ?? null,
      trust: result?.trust?.verdict ?? null,
      expected: result?.expected ?? null,
    };
    context.console.out(`${JSON.stringify(line)}\n`);
    return;
  }
  const lines = [
    ['state', `${job.status} in ${formatSeconds(seconds)}`],
    ['submission', submission ?? 'none'],
    ...(result === null ? [] : describeResult(result)),
    ['next', 'npm start keeps a control plane with a dashboard running on http://127.0.0.1:8000/'],
  ];
  context.console.out(`\n${lines.map(([name, value]) => `${(name ?? '').padEnd(11)}${value}\n`).join('')}`);
}

function describeResult(result: NonNullable<ResultView['result']>): string[][] {
  const { cv, leaderboard } = result;
  const interval = cv === null ? '' : `, 95 % interval ${formatScore(cv.low)} to ${formatScore(cv.high)} (cross-validation)`;
  return [
    ['score', cv === null ? 'none' : `${result.metric ?? ''} ${formatScore(cv.score)}${interval}`],
    ...(result.expected === null
      ? []
      : [
          [
            'expected',
            `${showScore(result.expected.score)}, 95 % ${showScore(result.expected.low)} to ${showScore(result.expected.high)} (leaderboard)`,
          ],
        ]),
    [
      'stand-in',
      leaderboard === null ? 'not scored' : `public ${showScore(leaderboard.public)}, private ${showScore(leaderboard.private)}`,
    ],
    ...(result.trust == null ? [] : [['trust', [result.trust.verdict, ...result.trust.reasons.map(stripControls)].join(': ')]]),
    ['first file', `valid after ${formatSeconds(result.first_valid_seconds ?? 0)}`],
    ['solutions', `${result.solutions}${result.quality === 'fallback' ? ' (fallback: constants only)' : ''}`],
  ];
}

function showScore(score: number | null): string {
  return score === null ? '–' : formatScore(score);
}
