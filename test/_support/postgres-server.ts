// Runs one Postgres server for tests and removes it when its owner is gone: `node postgres-server.ts <folder> <owner pid> <owner start>`.
// A process of its own, so that a test run that is killed leaves neither server nor data behind.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { removeEmbeddedPostgres, startEmbeddedPostgres } from '#adapters/postgres/embedded.ts';
import { readStartTicks } from '#adapters/postgres/process-identity.ts';

const [folder = '', ownerPid = '', ownerStart = ''] = process.argv.slice(2);
const ownerPollMs = 100;

let isAskedToStop = false;
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => (isAskedToStop = true));

const options = { dataDir: join(folder, 'data'), logFile: join(folder, 'server.log'), fsync: false, maxConnections: 300 };
const server = await startEmbeddedPostgres(options);
try {
  writeFileSync(join(folder, 'url'), server.url);
  while (!isAskedToStop && existsSync(folder) && readStartTicks(Number(ownerPid)) === ownerStart) await wait(ownerPollMs);
} finally {
  await removeEmbeddedPostgres(options);
  rmSync(folder, { recursive: true, force: true });
}
