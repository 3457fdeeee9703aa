import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { unpackArchive } from '#adapters/kaggle/unpack.ts';
import { DEMO_USER } from '#local/kaggle/server.ts';
import { makeTempDir, startStandIn } from '#test/_support/kaggle-stand-in.ts';

const SLUG = 'ames-house-prices';
const root = resolve(import.meta.dirname, '../../..');
const data = join(root, 'examples', SLUG, 'data');
const executable = process.env['KAGGLE_AGENT_KAGGLE_CLI'] ?? join(root, '.setup/kaggle-cli/bin/kaggle');

interface Answer {
  code: number;
  stdout: string;
  stderr: string;
}

/** The official client in a folder and home of its own, pointed at a stand-in by proxy; `ask` runs one command line. */
async function openClient(
  t: ExecutionContext,
  port: number,
  credentials: Record<string, string>,
): Promise<{ dir: string; ask: (...args: string[]) => Promise<Answer> }> {
  if (!existsSync(executable))
    throw new Error('The official kaggle client is not installed. Run: node scripts/setup/install-kaggle-cli.mjs');
  const dir = await makeTempDir(t);
  const home = join(dir, 'home');
  await mkdir(home);
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    KAGGLE_API_ENVIRONMENT: 'LOCALHOST',
    HTTP_PROXY: `http://127.0.0.1:${port}`,
    ...credentials,
  };
  const ask = (...args: string[]): Promise<Answer> =>
    new Promise((done) => {
      execFile(executable, ['competitions', ...args], { cwd: dir, env, timeout: 60_000 }, (error, stdout, stderr) => {
        done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr });
      });
    });
  return { dir, ask };
}

test('the official client lists, downloads, submits and sees its score, by token', async (t) => {
  const { port, standIn } = await startStandIn(t);
  const { dir, ask } = await openClient(t, port, { KAGGLE_API_TOKEN: DEMO_USER.token });
  const list = await ask('list', '-s', 'ames', '-v');
  t.is(list.code, 0, list.stderr);
  t.regex(list.stdout, /competitions\/ames-house-prices,2099-01-01/);

  const files = await ask('files', SLUG, '--page-size', '2', '-v');
  t.regex(files.stdout, /sample_submission\.csv,\d+/);
  const token = /Next Page Token = (\S+)/.exec(files.stdout)?.[1] ?? '';
  t.regex((await ask('files', SLUG, '--page-size', '2', '--page-token', token, '-v')).stdout, /train\.csv,\d+/);

  t.is((await ask('download', SLUG)).code, 0);
  await unpackArchive(join(dir, `${SLUG}.zip`), join(dir, 'data'));
  t.deepEqual(await readFile(join(dir, 'data/train.csv')), await readFile(join(data, 'train.csv')));
  t.is((await ask('download', SLUG, '-f', 'train.csv')).code, 0);
  t.deepEqual(await readFile(join(dir, 'train.csv')), await readFile(join(data, 'train.csv')));

  await copyFile(join(data, 'sample_submission.csv'), join(dir, 'submission.csv'));
  const submit = await ask('submit', SLUG, '-f', 'submission.csv', '-m', 'from the official client');
  t.is(submit.code, 0, submit.stderr);
  t.regex(submit.stdout, /Successfully submitted to Ames House Prices/);
  const submissions = await ask('submissions', SLUG, '-v');
  t.regex(submissions.stdout, /submission\.csv,[^,]+,from the official client,\S*COMPLETE,0\.42535,0\.41815/);

  const board = await ask('leaderboard', SLUG, '-s', '-v');
  t.regex(board.stdout, /Sample Submission Benchmark,[^\n]*0\.42535[^]*demo,[^\n]*0\.42535/);
  const storage = standIn.control.requests().filter((request) => request.side === 'storage');
  t.true(storage.length >= 3);
});

test('the official client goes on after a broken download and skips a complete one, by user name and key', async (t) => {
  const { port, standIn } = await startStandIn(t);
  const { dir, ask } = await openClient(t, port, { KAGGLE_USERNAME: DEMO_USER.username, KAGGLE_KEY: DEMO_USER.key });
  standIn.control.addFault({ place: 'storage.get', kind: 'cut' });
  const broken = await ask('download', SLUG);
  t.is(broken.code, 0, broken.stderr);
  t.regex(broken.stdout, /Resuming from \d+ bytes/);
  t.is((await unpackArchive(join(dir, `${SLUG}.zip`), join(dir, 'data'))).length, 3);
  t.regex((await ask('download', SLUG)).stdout, /Skipping/);
});

test('the official client ends with 1 for an unknown competition, rules not accepted and wrong credentials', async (t) => {
  const { port } = await startStandIn(t, { users: [{ ...DEMO_USER, entered: [] }] });
  const { dir, ask } = await openClient(t, port, { KAGGLE_API_TOKEN: DEMO_USER.token });
  const unknown = await ask('files', 'no-such-competition');
  t.is(unknown.code, 1);
  t.regex(unknown.stderr + unknown.stdout, /403/);
  const refused = await ask('download', SLUG);
  t.is(refused.code, 1);
  t.regex(refused.stderr + refused.stdout, /403/);
  t.false((await readdir(dir)).includes(`${SLUG}.zip`));
  const stranger = await openClient(t, port, { KAGGLE_USERNAME: 'demo', KAGGLE_KEY: 'wrong' });
  t.is((await stranger.ask('files', SLUG)).code, 1);
});
