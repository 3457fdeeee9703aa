import { once } from 'node:events';
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { z } from 'zod';
import { listenForTest } from '#test/_support/listen-for-test.ts';
import { readStatus, startTestPlane, submitTo, waitForFinal } from '#test/_support/plane.ts';
import { runCli, startCli } from './_run-cli.ts';

const NOBODY = 'http://127.0.0.1:1';
const UNKNOWN = '00000000-0000-7000-8000-000000000000';
const ESCAPE = String.fromCharCode(27);

const USAGE_ERRORS: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['an unknown command, with the one that was meant', ['sumbit', 'titanic'], /unknown command 'sumbit'\n.*Did you mean submit\?/],
  ['an unknown option, with the one that was meant', ['submit', 'titanic', '--priorty', '1'], /Did you mean --priority\?/],
  ['a missing argument', ['describe'], /missing required argument 'job'/],
  ['too many arguments', ['describe', 'a', 'b'], /too many arguments/],
  ['a number that is none', ['submit', 'titanic', '--priority', 'high'], /a whole number is expected/],
  ['an output format that does not exist', ['list', '-o', 'yaml'], /table, json, name/],
  ['an address that is no competition', ['submit', 'https://example.com/competitions/titanic'], /competition/],
  ['a base URL that is none', ['list', '--url', 'localhost:8000'], /"localhost:8000" is not a base URL/],
];

for (const [name, args, message] of USAGE_ERRORS) {
  test(`usage: ${name} ends with 2 and says so`, async (t) => {
    const end = await runCli(t, NOBODY, ...args);
    t.is(end.code, 2);
    t.is(end.stdout, '');
    t.regex(end.stderr, message);
    t.notRegex(end.stderr, /\n {4}at /);
  });
}

test('--help and --version go to stdout and end with 0', async (t) => {
  const help = await runCli(t, NOBODY, '--help');
  t.is(help.code, 0);
  for (const verb of [
    'submit',
    'list',
    'describe',
    'watch',
    'logs',
    'result',
    'instruct',
    'cancel',
    'demo',
    'solve',
    'reproduce',
    'doctor',
  ])
    t.regex(help.stdout, new RegExp(`^ {2}${verb}`, 'm'));
  t.is((await runCli(t, NOBODY, 'submit', '--help')).code, 0);
  t.regex((await runCli(t, NOBODY, '--version')).stdout, /^\d+\.\d+\.\d+\n$/);
});

test('a service that does not answer is 9, with what to do next; one that is something else is 1', async (t) => {
  for (const args of [['list'], ['describe', UNKNOWN], ['submit', 'titanic'], ['result', UNKNOWN, '--file', 'submission.csv']]) {
    const end = await runCli(t, NOBODY, ...args);
    t.is(end.code, 9, args[0]);
    t.regex(end.stderr, /^kn-kaggle: No answer from http:\/\/127\.0\.0\.1:1\. Is the service running\? Start it with "npm start"/);
  }
  const stranger = createServer((_request, response) => response.end('<html>hello</html>'));
  const wrong = await runCli(t, await listenForTest(t, stranger), 'list');
  t.is(wrong.code, 1);
  t.regex(wrong.stderr, /Is it a Kaggle Agent service\?/);
});

test('Ctrl-C ends a command whose service is silent', async (t) => {
  const silent = createServer();
  const asked = once(silent, 'request');
  const cli = startCli(t, ['describe', UNKNOWN], { KAGGLE_AGENT_URL: await listenForTest(t, silent) });
  await asked;
  const interruptedAt = performance.now();
  cli.signal('SIGINT');
  t.is((await cli.ended).code, 130);
  t.true(performance.now() - interruptedAt < 15_000, 'long before the request would have timed out');
});

test('the words of a service reach no terminal as escape sequences', async (t) => {
  const problem = { detail: `${ESCAPE}[2Jgone${ESCAPE}]0;title`, request_id: 'r', code: 'not-found' };
  const hostile = createServer((request, response) => {
    const isLog = request.url?.startsWith('/logs/') === true;
    response.writeHead(isLog ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isLog ? { logs: `one${ESCAPE}[31m\ntwo\r\n` } : problem));
  });
  const url = await listenForTest(t, hostile);
  const failed = await runCli(t, url, 'describe', UNKNOWN);
  t.is(failed.code, 5);
  t.regex(failed.stderr, /gone/);
  const logs = await runCli(t, url, 'logs', UNKNOWN);
  t.is(logs.stdout, 'one[31m\ntwo\n');
  t.false(`${failed.stderr}${failed.stdout}${logs.stderr}`.includes(ESCAPE));
});

test('piped output has no escape sequences and no redrawn lines, and the reader may stop early', async (t) => {
  const { url } = await startTestPlane(t);
  const watched = await runCli(t, url, 'submit', 'titanic', '--watch');
  t.is(watched.code, 0, watched.stderr);
  t.false(`${watched.stdout}${watched.stderr}`.includes(ESCAPE));
  t.false(watched.stderr.includes('\r'));

  const id = await submitTo(url, { hint: '{"logLines":200000}' });
  await waitForFinal(url, id);
  const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
  const command = `"${process.execPath}" "${main}" logs ${id} --tail 1000000 | head -n 1; exit "\${PIPESTATUS[0]}"`;
  const shell = spawn('bash', ['-c', command], { env: { ...process.env, KAGGLE_AGENT_URL: url }, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  shell.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  shell.stdout.resume();
  const code = await new Promise((resolve) => shell.once('close', resolve));
  t.deepEqual([code, stderr], [0, '']);
});

test('a watch survives a stream that breaks off, and shows each event once', async (t) => {
  const plane = await startTestPlane(t, { cap: 1 });
  const id = await submitTo(plane.url, { hint: '{"steps":5,"msPerStep":600}' });
  let streams = 0;
  const proxy = createServer((request, response) => {
    const { 'last-event-id': lastEventId = '0', accept = '' } = request.headers;
    const isStream = request.url?.endsWith('/events') === true;
    if (isStream) streams += 1;
    void fetch(`${plane.url}${request.url}`, { headers: { 'last-event-id': String(lastEventId), accept } }).then(async (answer) => {
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      if (isStream && streams <= 2 && answer.body !== null) {
        for await (const chunk of answer.body) {
          await new Promise((resolve) => response.write(chunk, resolve));
          if (Buffer.from(chunk).includes('data:')) break;
        }
        response.destroy();
      } else response.end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  const end = await runCli(t, await listenForTest(t, proxy), 'watch', id);
  t.is(end.code, 0, end.stderr);
  t.true(streams >= 3);
  // Looks at the agent's words may take several at once, so not every step has a line; none has two.
  for (const step of [1, 2, 3, 4, 5]) t.true(end.stderr.split(`step ${step} of 5`).length <= 2, end.stderr);
  t.true(end.stderr.includes('done: 5 solutions'), end.stderr);
});

test('doctor checks this machine and the service, one line each, and a missing service is no failure', async (t) => {
  const { url } = await startTestPlane(t);
  const Findings = z.array(z.object({ check: z.string(), ok: z.boolean(), detail: z.string(), next: z.string() }));
  const good = await runCli(t, url, 'doctor', '-o', 'json');
  const findings = Findings.parse(JSON.parse(good.stdout));
  t.deepEqual(
    findings.map(({ check }) => check),
    ['node', 'python', 'disk', 'examples', 'sandbox', 'claude', 'service'],
  );
  t.like(findings.at(-1), { ok: true, detail: 'healthy' });
  t.is(good.code, findings.every(({ ok }) => ok) ? 0 : 1);
  const alone = await runCli(t, NOBODY, 'doctor');
  t.is(alone.code, good.code);
  t.regex(alone.stdout, /^!! +service +No answer from .* npm start$/m);
});

test('a job whose name holds a path stays a name', async (t) => {
  const { url } = await startTestPlane(t);
  const id = await submitTo(url);
  await waitForFinal(url, id);
  const end = await runCli(t, url, 'describe', '../jobs');
  t.is(end.code, 5);
  t.is((await readStatus(url, id)).status, 'success');
});
