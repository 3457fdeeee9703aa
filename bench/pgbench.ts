import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INSERT } from '#adapters/postgres/insert-job.ts';
import { openPool } from '#adapters/postgres/connect.ts';

/** pgbench of the system, or null: the embedded server brings none. */
export async function findPgbench(): Promise<string | null> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  const places = [
    ...versions
      .sort()
      .reverse()
      .map((version) => `/usr/lib/postgresql/${version}/bin/pgbench`),
    '/usr/local/bin/pgbench',
    '/usr/bin/pgbench',
  ];
  return places.find((place) => existsSync(place)) ?? null;
}

/** JSON with a blank after each colon: pgbench would take `:null` for one of its variables. */
function spaced(value: unknown): string {
  return JSON.stringify(value).replaceAll('":', '": ');
}

/** The statement of `insertJob` as a pgbench script: the same text, with a new id each time and the values of a plain request. */
export async function writeInsertScript(folder: string): Promise<string> {
  const options = {
    priority: 0,
    resources: { cpuMillis: 1000, memoryMib: 2048 },
    timeLimitS: 3600,
    budgetUsd: 2,
    llm: 'auto',
    hint: null,
    submitToKaggle: false,
    task: null,
  };
  const fact = {
    job_id: '00000000-0000-7000-8000-000000000000',
    slug: 'titanic',
    state: 'pending',
    attempt: 0,
    reason: 'waiting for a free slot',
  };
  const id = `('00000000-0000-7000-' || lpad(to_hex(:a::bigint), 4, '0') || '-' || lpad(to_hex(:b::bigint), 12, '0'))`;
  const texts: Readonly<Record<number, string>> = {
    1: `${id}::uuid`,
    2: `'default'`,
    3: `'titanic'`,
    4: `'https://www.kaggle.com/competitions/titanic'`,
    5: `'kaggle-titanic-' || to_hex(:a::bigint) || '-' || to_hex(:b::bigint)`,
    6: `'waiting for a free slot'`,
    7: `'${spaced(options)}'`,
    8: '0',
    9: 'null',
    10: 'null',
    11: 'null',
    12: 'null',
    13: `'dev.kaggle-agent.job.submitted.v1'`,
    14: `'/kaggle-agent/submit'`,
    15: `'${spaced(fact)}'`,
    16: `'${spaced({ attempt: 0, tenant: 'default' })}'`,
    17: '30000',
  };
  const statement = INSERT.text.replaceAll(/\$(\d+)/g, (_, number: string) => `(${texts[Number(number)] ?? 'null'})`).replaceAll('\n', ' ');
  const path = join(folder, 'insert.sql');
  await writeFile(path, `\\set a random(0, 65535)\n\\set b random(0, 281474976710655)\n${statement};\n`);
  return path;
}

/** Transactions per second. Throws with pgbench's own words when it fails. */
export async function runPgbench(params: {
  readonly pgbench: string;
  readonly script: string;
  readonly databaseUrl: string;
  readonly clients: number;
  readonly seconds: number;
}): Promise<number> {
  const args = [
    '-n',
    '-M',
    'prepared',
    '-c',
    String(params.clients),
    '-j',
    '1',
    '-T',
    String(params.seconds),
    '-f',
    params.script,
    params.databaseUrl,
  ];
  const child = spawn(params.pgbench, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const tps = /tps = ([\d.]+)/.exec(output)?.[1];
  await clearOutbox(params.databaseUrl);
  if (code !== 0 || tps === undefined) throw new Error(`pgbench failed: ${output.slice(-500)}`);
  return Number(tps);
}

/** What pgbench inserted is nobody's to send: left there, the plane would spend the next round on it. */
async function clearOutbox(databaseUrl: string): Promise<void> {
  const pool = openPool({ url: databaseUrl, maxConnections: 1 });
  try {
    await pool.query('DELETE FROM outbox WHERE sent_at IS NULL');
  } finally {
    await pool.end();
  }
}
