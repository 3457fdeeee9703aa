/** One server of the benchmark as a process of its own: `plane`, `express` or `express-query`, by argv. Says `ready <url>` on stdout. */
import { v7 as uuidv7 } from 'uuid';
import express from 'express';
import { GET } from '#adapters/postgres/read-jobs.ts';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createHttpSink } from '#adapters/broker/http-sink.ts';
import { openPool } from '#adapters/postgres/connect.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { systemClock } from '#adapters/telemetry/clock.ts';
import { DEFAULT_LIMITS } from '#core/requests.ts';
import { createHttpApp } from '#functions/http/app.ts';
import { createLifecycle } from '#functions/http/lifecycle.ts';
import { createStatusRoutes } from '#functions/status/app.ts';
import { createSubmitRoutes } from '#functions/submit/app.ts';
import { openArtifactStore } from '#adapters/storage/open.ts';

const [kind = '', databaseUrl = '', intakeUrl = '', connections = '10'] = process.argv.slice(2);
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The product's own routes over the real ledger; its outbox is relayed to `intakeUrl`, as in life. */
async function buildPlane(): Promise<express.Express> {
  const store = createPostgresJobStore({ url: databaseUrl, maxConnections: Number(connections) });
  const lifecycle = createLifecycle(() => undefined);
  const http = { logger, authenticator: null, guard: { allowedHosts: [], allowedOrigins: [] }, lifecycle };
  const common = { http, store, logger, clock: systemClock, random: Math.random, sink: createHttpSink({ url: intakeUrl }) };
  const artifacts = await openArtifactStore('file:/tmp');
  return createHttpApp(http, [
    ...createSubmitRoutes({ ...common, newId: uuidv7, hash: sha256Hex, limits: DEFAULT_LIMITS, openArtifacts: async () => artifacts }),
    ...createStatusRoutes({ ...common, artifacts, runner: null, maxStreamMs: 60_000, feedIntervalMs: 1000 }),
  ]);
}

function buildBare(): express.Express {
  const app = express();
  app.get('/status/:id', (_req, res) => void res.json({ status: 'ok' }));
  return app;
}

/** Express and the same single prepared query, nothing else. */
function buildQuery(): express.Express {
  const pool = openPool({ url: databaseUrl, maxConnections: Number(connections) });
  const app = express();
  app.get('/status/:id', async (req, res) => {
    const { rows } = await pool.query({ name: GET.name, text: GET.text, values: [req.params.id] });
    res.json(rows[0]);
  });
  return app;
}

const app = kind === 'plane' ? await buildPlane() : kind === 'express' ? buildBare() : buildQuery();
const server = app.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`ready http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}\n`);
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
