import { parseArgs } from 'node:util';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createKaggleStandIn, DEMO_USER } from './server.ts';

// Run the stand-in alone:  node local/kaggle/main.ts [--port N] [--examples DIR] [--answers DIR] [--state DIR]
// For other machines too:  … --host 0.0.0.0 --public-host NAME --storage-port N [--accept-rules]
const root = resolve(import.meta.dirname, '../..');
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8090' },
    host: { type: 'string', default: '127.0.0.1' },
    'public-host': { type: 'string', default: '127.0.0.1' },
    'storage-port': { type: 'string', default: '0' },
    'accept-rules': { type: 'boolean', default: false },
    examples: { type: 'string', default: join(root, 'examples') },
    answers: { type: 'string', default: join(root, 'examples/answers') },
    state: { type: 'string', default: join(tmpdir(), 'kaggle-stand-in') },
  },
});

async function main(): Promise<void> {
  const port = readPort('port', values.port);
  const storagePort = readPort('storage-port', values['storage-port']);
  const standIn = createKaggleStandIn({
    examplesDir: resolve(values.examples),
    answersDir: resolve(values.answers),
    stateDir: resolve(values.state),
  });
  const place = { host: values.host, publicHost: values['public-host'], storagePort };
  const { apiBaseUrl, port: chosen } = await standIn.listen(port, place).catch((error: unknown) => {
    throw new Error(`The stand-in could not listen on port ${port}: ${error instanceof Error ? error.message : 'unknown error'}`);
  });
  if (values['accept-rules']) for (const slug of standIn.slugs) standIn.control.acceptRules(DEMO_USER.username, slug);
  process.stdout.write(`Kaggle stand-in: ${apiBaseUrl}\n`);
  process.stdout.write(`Competitions: ${standIn.slugs.join(', ')}\n`);
  process.stdout.write(
    `Official client: KAGGLE_API_ENVIRONMENT=LOCALHOST HTTP_PROXY=http://${values['public-host']}:${chosen} KAGGLE_API_TOKEN=${DEMO_USER.token} kaggle competitions list\n`,
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void standIn.close().then(() => process.exit(0)));
}

function readPort(option: string, text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  process.stderr.write(`--${option} ${text} is not a port number. Give one from 0 (any free port) to 65535.\n`);
  process.exit(2);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
