import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setupDir } from './places.mjs';
import { lastUsefulLine, runCommand } from './run-command.mjs';
import { hashInputs, isStamped, writeStamp } from './stamps.mjs';
import { runTimedStep, say } from './talk.mjs';

const module = 'github.com/fsouza/fake-gcs-server@v1.56.1';
const binDir = join(setupDir, 'bin');
const builtPath = join(binDir, 'fake-gcs-server');

/**
 * Where the storage emulator for tests is: `KAGGLE_AGENT_FAKE_GCS`, else built once where Go is present. Null otherwise, with one line
 * that says so: the tests that need it report themselves as not run.
 */
export async function findOrBuildFakeGcs() {
  const given = process.env.KAGGLE_AGENT_FAKE_GCS;
  if (given) {
    if (existsSync(given)) return given;
    say(`KAGGLE_AGENT_FAKE_GCS=${given} does not exist`);
  }
  const hash = hashInputs([], [module]);
  if (isStamped('fake-gcs', hash) && existsSync(builtPath)) return builtPath;
  if ((await runCommand('go', ['version'])).missing) {
    say('Go is missing, so the Google Cloud Storage suite cannot run: install Go, or set KAGGLE_AGENT_FAKE_GCS to a fake-gcs-server');
    return null;
  }
  mkdirSync(binDir, { recursive: true });
  const built = await runTimedStep('storage emulator for tests, built with Go (a few minutes, once)', () =>
    runCommand('go', ['install', module], { env: { GOBIN: binDir, CGO_ENABLED: '0' }, timeoutMs: 15 * 60_000 }),
  );
  if (!built.ok) {
    say(`the storage emulator could not be built, so the Google Cloud Storage suite cannot run: ${lastUsefulLine(built.output)}`);
    return null;
  }
  writeStamp('fake-gcs', hash);
  return builtPath;
}
