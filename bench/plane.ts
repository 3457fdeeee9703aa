/**
 * `npm run bench:plane`: what one process of the plane does per second, beside a bare express handler, express with the same query, and pgbench with the
 * same statement, on one Postgres, interleaved in one run. Prints medians and ratios; machines are noisy, ratios less so.
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

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ka-bench-'));
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
    const cases: Case[] = [
      {
        name: 'POST /run',
        run: () => load({ url: `${plane}/run`, method: 'POST', headers: { 'content-type': 'application/json' }, body: BODY }),
      },
      ...(pgbench === null
        ? []
        : [
            {
              name: 'pgbench, same statement',
              run: () => runPgbench({ pgbench, script, databaseUrl: postgres.url, clients: CONNECTIONS, seconds: SECONDS }),
            },
          ]),
      { name: 'GET /status', run: () => get(plane) },
      { name: 'express + same query', run: () => get(query) },
      { name: 'bare express', run: () => get(bare) },
    ];
    const medians = await measure(cases);
    for (const { child } of servers.splice(0)) child.kill();
    const starts = await measureStarts({ folder, jobs: 200 });
    const agentTime = await measureAgentTime({ folder, timeLimitS: AGENT_TIME_LIMIT_S });
    report(medians, starts, agentTime);
    if (pgbench === null)
      process.stdout.write('pgbench was not found (Debian: apt-get install postgresql-contrib), so POST has nothing beside it\n');
  } finally {
    for (const { child } of servers) child.kill();
    sink.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

function report(medians: ReadonlyMap<string, number>, starts: StartTimes, agentTime: AgentTime): void {
  const ratio = (above: string, below: string) => ((medians.get(above) ?? Number.NaN) / (medians.get(below) ?? Number.NaN)) * 100;
  const rows = [...medians].map(([name, perSecond]) => `| ${name} | ${perSecond.toFixed(0)}/s |`);
  process.stdout.write(
    [
      '| case | median |',
      '|---|---|',
      ...rows,
      '',
      '| ratio | measured | goal |',
      '|---|---|---|',
      `| POST /run to pgbench | ${ratio('POST /run', 'pgbench, same statement').toFixed(0)} % | ≥ 50 % |`,
      `| GET /status to express + same query | ${ratio('GET /status', 'express + same query').toFixed(0)} % | ≥ 70 % |`,
      `| GET /status to bare express | ${ratio('GET /status', 'bare express').toFixed(0)} % | printed only |`,
      `| job committed → process started, one at a time: p50 | ${starts.singleP50Ms.toFixed(0)} ms | < 100 ms |`,
      `| slot claimed → process started, ${starts.jobs} jobs submitted at once, cap ${starts.cap}: p50 / p95 | ${starts.p50Ms.toFixed(0)} / ${starts.p95Ms.toFixed(0)} ms | p50 < 100 ms |`,
      `| agent time outside training and grading, house prices in ${agentTime.totalS.toFixed(0)} s | ${(agentTime.overhead * 100).toFixed(1)} % | ≤ 5 % |`,
      '',
    ].join('\n'),
  );
}

await main();
