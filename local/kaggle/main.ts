import { parseArgs } from 'node:util';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createKaggleStandIn, DEMO_USER } from './server.ts';

// Run the stand-in alone:  node local/kaggle/main.ts [--port N] [--examples DIR] [--answers DIR] [--state DIR]
const root = resolve(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8090' },
    examples: { type: 'string', default: join(root, 'examples') },
    answers: { type: 'string', default: join(root, 'examples/answers') },
    state: { type: 'string', default: join(tmpdir(), 'kaggle-stand-in') },
  },
});

const port = Number(values.port);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  process.stderr.write(`--port ${values.port} is not a port number. Give one from 0 (any free port) to 65535.\n`);
  process.exit(2);
}

const standIn = createKaggleStandIn({
  examplesDir: resolve(values.examples),
  answersDir: resolve(values.answers),
  stateDir: resolve(values.state),
});
try {
  const { apiBaseUrl, port: chosen } = await standIn.listen(port);
  process.stdout.write(`Kaggle stand-in: ${apiBaseUrl}\n`);
  process.stdout.write(`Competitions: ${standIn.slugs.join(', ')}\n`);
  process.stdout.write(
    `Official client: KAGGLE_API_ENVIRONMENT=LOCALHOST HTTP_PROXY=http://127.0.0.1:${chosen} KAGGLE_API_TOKEN=${DEMO_USER.token} kaggle competitions list\n`,
  );
} catch (error) {
  process.stderr.write(`The stand-in could not listen on port ${port}: ${error instanceof Error ? error.message : 'unknown error'}\n`);
  process.exit(1);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standIn.close());
