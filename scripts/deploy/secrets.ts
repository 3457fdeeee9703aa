import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { DEMO_USER } from '#local/kaggle/accounts.ts';
import type { Kubectl } from './kubectl.ts';
import { DeployRefusal } from './kubectl.ts';

const SecretObject = z.object({ data: z.record(z.string(), z.string()).default({}) });

/** Where the development overlay's own Postgres is. */
const DEV_DATABASE = 'postgres.plane.svc.cluster.local:5432/kaggle_agent';
const DEV_ROLES = ['owner', 'writer', 'reader'] as const;
type Role = (typeof DEV_ROLES)[number];

/** Secrets that a person must make for an overlay without a database of its own: name, keys, what they hold. */
const OUTSIDE_SECRETS: readonly (readonly [namespace: string, name: string, key: string])[] = [
  ['plane', 'database-owner', 'url'],
  ['plane', 'database-writer', 'url'],
  ['plane', 'database-reader', 'url'],
  ['plane', 'api-keys', 'keys'],
  ['runs', 'kaggle-credentials', 'credentials.json'],
];

/**
 * Makes the Secrets that can be made up, where they are absent, and never touches one that exists. `isDev`: the overlay brings its own
 * Postgres and Kaggle stand-in, so everything can; else throws DeployRefusal naming every Secret that a person must make.
 */
export async function ensureSecrets(
  kubectl: Kubectl,
  params: { readonly isDev: boolean; readonly log: (line: string) => void },
): Promise<void> {
  const { isDev, log } = params;
  if (!isDev) await requireOutsideSecrets(kubectl);
  await ensure('plane', 'plane-key', () => ({ key: makePassword() }));
  if (!isDev) return;
  const passwords = await ensureDatabasePasswords();
  for (const role of DEV_ROLES) {
    await ensure('plane', `database-${role}`, () => ({ url: `postgres://kaggle_agent_${role}:${passwords[role]}@${DEV_DATABASE}` }));
  }
  const credentials = JSON.stringify({ username: DEMO_USER.username, key: DEMO_USER.key });
  await ensure('runs', 'kaggle-credentials', () => ({ 'credentials.json': credentials }));

  async function ensure(namespace: string, name: string, make: () => Readonly<Record<string, string>>): Promise<void> {
    if ((await readSecret(kubectl, namespace, name)) !== null) return;
    await createSecret(kubectl, namespace, name, make());
    log(`Secret ${namespace}/${name}: made`);
  }

  async function ensureDatabasePasswords(): Promise<Readonly<Record<Role, string>>> {
    await ensure('plane', 'database-passwords', () => Object.fromEntries(DEV_ROLES.map((role) => [role, makePassword()])));
    const found = (await readSecret(kubectl, 'plane', 'database-passwords')) ?? {};
    const read = (role: Role): string => {
      const password = found[role];
      if (password === undefined)
        throw new DeployRefusal(`Secret plane/database-passwords has no key "${role}". Deploy with --remove, then anew.`);
      return password;
    };
    return { owner: read('owner'), writer: read('writer'), reader: read('reader') };
  }
}

async function requireOutsideSecrets(kubectl: Kubectl): Promise<void> {
  const missing: string[] = [];
  for (const [namespace, name, key] of OUTSIDE_SECRETS) {
    const secret = await readSecret(kubectl, namespace, name);
    if (secret?.[key] === undefined) missing.push(`${namespace}/${name} (key ${key})`);
  }
  if (missing.length > 0)
    throw new DeployRefusal(`Secrets are missing: ${missing.join(', ')}. docs/install.md says what each holds and how to make it.`);
}

async function readSecret(kubectl: Kubectl, namespace: string, name: string): Promise<Readonly<Record<string, string>> | null> {
  const text = await kubectl.find(['get', 'secret', name, '--namespace', namespace, '--output', 'json']);
  if (text === null) return null;
  const { data } = SecretObject.parse(JSON.parse(text));
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]));
}

/** By standard input: what stands in arguments can be read by every user of the machine. */
async function createSecret(kubectl: Kubectl, namespace: string, name: string, values: Readonly<Record<string, string>>): Promise<void> {
  const labels = { 'app.kubernetes.io/name': 'kaggle-agent', 'kaggle-agent.dev/made-by': 'deploy' };
  const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace, labels }, type: 'Opaque', stringData: values };
  await kubectl.run(['create', '--filename', '-'], { input: JSON.stringify(secret) });
}

function makePassword(): string {
  return randomBytes(32).toString('base64url');
}
