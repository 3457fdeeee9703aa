import { readFile, readdir } from 'node:fs/promises';
import test from 'ava';
import { AgentError, ERROR_CODES } from '#core/errors.ts';
import { Problem } from '#core/responses.ts';
import { ROUTE_DOCS } from '#functions/http/route-docs.ts';
import { buildEventDocs } from '#functions/http/event-docs.ts';
import { buildOpenApi } from '#functions/http/openapi.ts';
import { createDashboardRoutes } from '#functions/status/dashboard.ts';
import { createDocsRoutes } from '#functions/status/docs.ts';
import { buildProblem } from '#functions/http/problem.ts';
import { startFunctions } from '#test/_support/functions.ts';

const docs = new URL('../../docs/', import.meta.url);

test('docs/openapi.json and docs/events are what the schemas say; "node scripts/openapi.ts" writes them', async (t) => {
  t.deepEqual(JSON.parse(await readFile(new URL('openapi.json', docs), 'utf8')), JSON.parse(JSON.stringify(buildOpenApi())));
  const files = buildEventDocs();
  t.deepEqual((await readdir(new URL('events/', docs))).toSorted(), [...files.keys()].toSorted());
  for (const [name, text] of files) {
    const stored = await readFile(new URL(`events/${name}`, docs), 'utf8');
    if (name.endsWith('.json')) t.deepEqual(JSON.parse(stored), JSON.parse(text), name);
    else
      for (const line of text.split('\n').filter((row) => row.startsWith('| [`'))) t.true(stored.includes(line.split('`')[1] ?? ''), line);
  }
});

test('every documented route answers, and every reference of the document leads somewhere', async (t) => {
  const { url } = await startFunctions(t);
  for (const { method, path } of ROUTE_DOCS) {
    const response = await fetch(`${url}${path.replace(':id', 'nobody').replace(':number', '1').replace(':file', 'x.csv')}`, {
      method: method.toUpperCase(),
    });
    const isProblem = response.headers.get('content-type')?.includes('problem') === true;
    const code = isProblem ? Problem.parse(await response.json()).code : null;
    t.not(code, 'method-not-allowed', `${method} ${path}`);
    if (!path.startsWith('/dead-letters/')) t.not(code, 'not-found', `${method} ${path}`);
  }
  const document = JSON.stringify(buildOpenApi());
  const names = new Set(Object.keys(JSON.parse(document).components.schemas));
  for (const [, name] of document.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) t.true(names.has(name ?? ''), name);
  t.false(document.includes('__shared'));
});

test('every error code has a section of the errors page', async (t) => {
  const page = await readFile(new URL('errors.md', docs), 'utf8');
  for (const code of ERROR_CODES) t.true(page.includes(`\n## ${code}\n`), code);
  const error = new AgentError({ code: 'job-final', status: 400, message: 'x', turn: 'caller' });
  t.is(buildProblem(error, 'r').type, '/docs/errors#job-final');
});

test('dashboard and docs are served whole, and load nothing from elsewhere', async (t) => {
  const { url } = await startFunctions(t);
  for (const { path } of [...createDashboardRoutes(), ...createDocsRoutes()]) {
    const response = await fetch(`${url}${path}`);
    t.is(response.status, 200, path);
    const text = await response.text();
    const policy = response.headers.get('content-security-policy') ?? '';
    t.notRegex(policy, /https?:|script-src[^;]*unsafe/, path);
    if (path.includes('swagger-ui') || path === '/openapi.json') continue;
    for (const [, target] of text.matchAll(/(?:src|href)="([^"]+)"/g)) t.regex(target ?? '', /^(\/|data:|#)/, path);
    t.notRegex(text, /innerHTML|insertAdjacentHTML|document\.write|eval\(/, path);
  }
});
