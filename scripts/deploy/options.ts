import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DeployRefusal } from './kubectl.ts';

/** The project's top folder. */
export const PROJECT_DIR = resolve(import.meta.dirname, '../..');

export const USAGE = `npm run deploy -- --overlay dev [options]

  --overlay NAME         a folder of infra/overlays, or the path of a folder of your own
  --image-prefix PREFIX  put before each image's name, as in "npm run images -- --prefix" (default: as the overlay says)
  --tag TAG              the images' tag (default: as the overlay says)
  --kubeconfig FILE      the cluster (default: as kubectl does)
  --timeout SECONDS      how long to wait for everything to be ready (default 300)
  --dry-run              ask the cluster whether it would take everything; change nothing
  --remove               remove the overlay with its namespaces and Secrets, and wait until they are gone`;

export interface DeployOptions {
  readonly overlay: string;
  readonly overlayDir: string;
  readonly imagePrefix: string | null;
  readonly tag: string | null;
  readonly kubeconfig: string | null;
  readonly timeoutMs: number;
  readonly dryRun: boolean;
  readonly remove: boolean;
}

/** Reads the command line. Null = show the usage and end well. Throws DeployRefusal naming what is wrong. */
export function readOptions(args: readonly string[]): DeployOptions | null {
  const values = parse(args);
  if (values.help === true) return null;
  const overlay = values.overlay;
  if (overlay === undefined) throw new DeployRefusal(`Which overlay? Give --overlay ${listOverlays().join(' or --overlay ')}.`);
  const seconds = Number(values.timeout);
  if (!Number.isInteger(seconds) || seconds < 1) throw new DeployRefusal(`--timeout ${values.timeout} is not a whole number of seconds.`);
  return {
    overlay,
    overlayDir: findOverlay(overlay),
    imagePrefix: readMatch('--image-prefix', values['image-prefix'], /^[a-z0-9][a-z0-9./:_-]*$/),
    tag: readMatch('--tag', values.tag, /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/),
    kubeconfig: values.kubeconfig ?? null,
    timeoutMs: seconds * 1000,
    dryRun: values['dry-run'] === true,
    remove: values.remove === true,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        overlay: { type: 'string' },
        'image-prefix': { type: 'string' },
        tag: { type: 'string' },
        kubeconfig: { type: 'string' },
        timeout: { type: 'string', default: '300' },
        'dry-run': { type: 'boolean' },
        remove: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new DeployRefusal(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function findOverlay(overlay: string): string {
  const dir = overlay.includes('/') ? resolve(overlay) : join(PROJECT_DIR, 'infra/overlays', overlay);
  if (existsSync(join(dir, 'kustomization.yaml'))) return dir;
  throw new DeployRefusal(`There is no overlay "${overlay}" (${dir} has no kustomization.yaml). There are: ${listOverlays().join(', ')}.`);
}

function listOverlays(): string[] {
  return readdirSync(join(PROJECT_DIR, 'infra/overlays')).toSorted();
}

function readMatch(name: string, value: string | undefined, pattern: RegExp): string | null {
  if (value === undefined) return null;
  if (!pattern.test(value)) throw new DeployRefusal(`${name} ${value} is not possible: expected ${pattern.source}`);
  return value;
}
