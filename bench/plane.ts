/**
 * `npm run bench:plane`: what one process of the plane does per second, beside a bare express handler, express with the same query, and pgbench with the
 * same statement, on one Postgres, interleaved in one run; how fast attempts start; and what the agent itself takes of a run. Prints medians and
 * ratios; machines are noisy, ratios less so. `-- requests`, `-- starts` or `-- agent` measures only that part.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { migrateToLatest } from '#adapters/postgres/migrate.ts';
import { startEmbeddedPostgres } from '#adapters/postgres/embedded.ts';
import { findPgbench, runPgbench, writeInsertScript } from './pgbench.ts';
import { measureAgentTime } from './agent-time.ts';
import type { AgentTime } from './agent-time.ts';
import { measureStarts } from './starts.ts';
import type { StartTimes } from './starts.ts';

const ROUNDS = 3;
const SECONDS = 4;
const CONNECTIONS = 10;
const AGENT_TIME_LIMIT_S = 120;
const BURST_JOBS = 200;
const BODY = JSON.stringify({ kaggle_url: 'https://www.kaggle.com/competitions/titanic' });

interface Server {
  readonly url: string;
  readonly child: ChildProcess;
}

async function startServer(kind: string, args: readonly string[]): Promise<Server> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('_server.ts', import.meta.url)), kind, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().replace('ready ', '').trim()));
    child.once('close', () => reject(new Error(`the ${kind} server ended before it was ready`)));
  });
  return { url, child };
}

async function load(options: autocannon.Options): Promise<number> {
  const result = await autocannon({ connections: 32, duration: SECONDS, ...options });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${options.url}: ${result.non2xx} answers were not 2xx, ${result.errors} errors`);
  return result.requests.total / result.duration;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** A broker that takes everything at once: its work is not what is measured. */
async function startSink(): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => response.writeHead(202).end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`,
    close: () => void (server.closeAllConnections(), server.close()),
  };
}

interface Case {
  readonly name: string;
  readonly run: () => Promise<number>;
}

async function measure(cases: readonly Case[]): Promise<Map<string, number>> {
  const results = new Map<string, number[]>(cases.map(({ name }) => [name, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { name, run } of cases) {
      const perSecond = await run();
      // The first round warms up compilers and caches, for everyone.
      if (round > 0) results.get(name)?.push(perSecond);
      process.stderr.write(`${round === 0 ? 'warm-up' : `round ${round}`}  ${name}: ${perSecond.toFixed(0)}/s\n`);
    }
  }
  return new Map([...results].map(([name, values]) => [name, median(values)]));
}

async function submitOne(url: string): Promise<string> {
  const response = await fetch(`${url}/run`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: BODY });
  return ((await response.json()) as { job_id: string }).job_id;
}

/** Requests per second by case; POST stands alone where there is no pgbench. */
async function measureRequests(folder: string): Promise<Map<string, number>> {
  const postgres = await startEmbeddedPostgres({
    dataDir: join(folder, 'postgres'),
    logFile: join(folder, 'postgres.log'),
    maxConnections: 100,
  });
  const servers: Server[] = [];
  const sink = await startSink();
  try {
    await migrateToLatest(postgres.url);
    for (const kind of ['plane', 'express', 'express-query'])
      servers.push(await startServer(kind, [postgres.url, sink.url, String(CONNECTIONS)]));
    const [plane, bare, query] = servers.map(({ url }) => url);
    const id = await submitOne(plane ?? '');
    const get = (url = '') => load({ url: `${url}/status/${id}` });
    const pgbench = await findPgbench();
    const script = await writeInsertScript(folder);
    if (pgbench === null)
      process.stderr.write('pgbench was not found (Debian: apt-get install postgresql-contrib), so POST has nothing beside it\n');
    const insert = (program: string) =>
      runPgbench({ pgbench: program, script, databaseUrl: postgres.url, clients: CONNECTIONS, seconds: SECONDS });
    const headers = { 'content-type': 'application/json' };
    return await measure([
      { name: 'POST /run', run: () => load({ url: `${plane}/run`, method: 'POST', headers, body: BODY }) },
      ...(pgbench === null ? [] : [{ name: 'pgbench, same statement', run: () => insert(pgbench) }]),
      { name: 'GET /status', run: () => get(plane) },
      { name: 'express + same query', run: () => get(query) },
      { name: 'bare express', run: () => get(bare) },
    ]);
  } finally {
    for (const { child } of servers) child.kill();
    sink.close();
    await postgres.stop();
  }
}

function reportRequests(medians: ReadonlyMap<string, number>): string[] {
  const percent = (above: string, below: string) =>
    (((medians.get(above) ?? Number.NaN) / (medians.get(below) ?? Number.NaN)) * 100).toFixed(0);
  return [
    ...[...medians].map(([name, perSecond]) => `| ${name} | ${perSecond.toFixed(0)}/s | |`),
    `| POST /run to pgbench | ${percent('POST /run', 'pgbench, same statement')} % | ≥ 50 % |`,
    `| GET /status to express + same query | ${percent('GET /status', 'express + same query')} % | ≥ 70 % |`,
    `| GET /status to bare express | ${percent('GET /status', 'bare express')} % | printed only |`,
  ];
}

function reportStarts({ jobs, cap, singleP50Ms, p50Ms, p95Ms }: StartTimes): string[] {
  return [
    `| job committed → process started, one at a time: p50 | ${singleP50Ms.toFixed(0)} ms | < 100 ms |`,
    `| slot claimed → process started, ${jobs} jobs submitted at once, cap ${cap}: p50 / p95 | ${p50Ms.toFixed(0)} / ${p95Ms.toFixed(0)} ms | p50 < 100 ms |`,
  ];
}

function reportAgentTime({ totalS, overhead }: AgentTime): string[] {
  return [`| agent time outside training and grading, house prices in ${totalS.toFixed(0)} s | ${(overhead * 100).toFixed(1)} % | ≤ 5 % |`];
}

const PARTS = {
  requests: async (folder: string) => reportRequests(await measureRequests(folder)),
  starts: async (folder: string) => reportStarts(await measureStarts({ folder, jobs: BURST_JOBS })),
  agent: async (folder: string) => reportAgentTime(await measureAgentTime({ folder, timeLimitS: AGENT_TIME_LIMIT_S })),
} as const;

async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.filter((name) => !(name in PARTS));
  if (unknown.length > 0) throw new Error(`unknown part: ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  const folder = await mkdtemp(join(tmpdir(), 'ka-bench-'));
  try {
    const rows: string[] = [];
    for (const [name, run] of Object.entries(PARTS)) if (wanted.length === 0 || wanted.includes(name)) rows.push(...(await run(folder)));
    process.stdout.write(['| what | measured | goal |', '|---|---|---|', ...rows, ''].join('\n'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
