import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DeployOptions } from './options.ts';
import type { Kubectl } from './kubectl.ts';
import { PROJECT_DIR } from './options.ts';
import { checkCluster } from './cluster-checks.ts';
import { ensureSecrets } from './secrets.ts';
import { parseManifests } from './render.ts';
import { waitUntilReady } from './wait.ts';
import { withOverlay } from './overlay.ts';

const NAMESPACES = ['plane', 'runs'];
const PUBLIC_FUNCTIONS = ['submit', 'status', 'result'];

export interface DeployContext {
  readonly kubectl: Kubectl;
  readonly options: DeployOptions;
  /** One line of progress. */
  readonly log: (line: string) => void;
}

/** Installs or updates an overlay and waits until all of it is ready; returns the public addresses. Running it again does no harm. */
export async function install({ kubectl, options, log }: DeployContext): Promise<Readonly<Record<string, string>>> {
  await checkCluster(kubectl);
  const onLine = (line: string) => {
    if (!line.endsWith(' unchanged')) log(line);
  };
  await kubectl.run(['apply', '--kustomize', join(PROJECT_DIR, 'infra/namespaces')], { onLine });
  await ensureSecrets(kubectl, { isDev: await bringsOwnServices(options.overlayDir), log });
  // A Job can't be changed: the migration is made anew each time, and finds its work done.
  await kubectl.run(['delete', 'job', 'migrate', '--namespace', 'plane', '--ignore-not-found', '--wait']);
  await withOverlay(options.overlayDir, options, (dir) => kubectl.run(['apply', '--kustomize', dir], { onLine }));
  const addresses = await waitUntilReady(kubectl, { timeoutMs: options.timeoutMs, log });
  return Object.fromEntries(PUBLIC_FUNCTIONS.flatMap((name) => (addresses.has(name) ? [[name, addresses.get(name) ?? '']] : [])));
}

/** Asks the API server whether it would take the overlay. Without the namespaces it can't tell, and only the client side is checked. */
export async function rehearse({ kubectl, options, log }: DeployContext): Promise<void> {
  await checkCluster(kubectl);
  const isInstalled = (await kubectl.find(['get', 'serviceaccount', 'submit', '--namespace', 'plane'])) !== null;
  if (!isInstalled) log('nothing is installed yet: only what can be checked without the namespaces is checked');
  const rendered = await withOverlay(options.overlayDir, options, (dir) => kubectl.run(['kustomize', dir]));
  // An existing Job can't be changed, which is why installing makes the migration anew.
  const items = parseManifests(rendered).filter(({ kind, metadata }) => !(kind === 'Job' && metadata.name === 'migrate'));
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kubectl.run(['apply', `--dry-run=${isInstalled ? 'server' : 'client'}`, '--filename', '-'], { input, onLine: log });
}

/** Deletes the overlay; its namespaces take their Secrets with them. Returns when all is gone. */
export async function remove({ kubectl, options, log }: DeployContext): Promise<void> {
  const timeout = `--timeout=${Math.ceil(options.timeoutMs / 1000)}s`;
  await kubectl.run(['delete', '--kustomize', options.overlayDir, '--ignore-not-found', '--wait', timeout], { onLine: log });
  for (const namespace of NAMESPACES) {
    await kubectl.run(['wait', `namespace/${namespace}`, '--for=delete', timeout]);
    log(`namespace ${namespace}: gone`);
  }
}

/** True for overlays that bring Postgres, storage and Kaggle with them (infra/dev): then every Secret can be made up. */
async function bringsOwnServices(overlayDir: string): Promise<boolean> {
  if (basename(overlayDir) === 'dev') return true;
  const text = await readFile(join(overlayDir, 'kustomization.yaml'), 'utf8');
  return /^\s*-\s+\S*\/(dev|overlays\/dev)\/?\s*$/m.test(text);
}
