import { posix } from 'node:path';

export interface SourceFile {
  /** From the project's top, with slashes. */
  readonly path: string;
  readonly text: string;
}

interface Import {
  readonly target: string;
  readonly isTypeOnly: boolean;
}

// Which rooms a room may import. What is not listed here (scripts, test, bench, examples) may import every room.
const mayImport: Readonly<Record<string, readonly string[]>> = {
  core: [],
  adapters: ['core'],
  functions: ['core', 'adapters'],
  agent: ['core', 'adapters'],
  dashboard: [],
  local: ['core', 'adapters', 'functions', 'agent', 'dashboard'],
  cli: ['core', 'adapters', 'functions', 'agent', 'local', 'dashboard'],
};

// Packages that cost much to load, or that only one room may know.
const homes: Readonly<Record<string, string>> = {
  '@kubernetes/client-node': 'adapters/cluster',
  '@google-cloud/storage': 'adapters/storage',
  '@anthropic-ai/sdk': 'adapters/claude',
  pg: 'adapters/postgres',
  kysely: 'adapters/postgres',
};

const maxLines = 400;
// Files that are allowed to be longer, each with its reason.
const longFiles: readonly RegExp[] = [
  // Recipes are assembled from short parts into self-contained programs, as the solution contract asks.
  /^agent\/python\/recipes\/[a-z_]+\.py$/,
];
const nameless = ['shared', 'common', 'utils', 'lib'];
const everyImport =
  /(?:^|[\s;}])(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"\n]+)['"]|\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/g;

const isTypeScript = (path: string) => path.endsWith('.ts');
const isOutsideProduct = (room: string) => !Object.hasOwn(mayImport, room);

function removeComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}

function listImports(text: string): Import[] {
  return [...text.matchAll(everyImport)].map((match) => ({ target: match[2] ?? match[3] ?? '', isTypeOnly: match[1] !== undefined }));
}

/** The room that an import leads to, or null for packages and Node's own modules. */
function findTargetRoom(path: string, target: string): string | null {
  if (target.startsWith('#')) return target.slice(1).split('/')[0] ?? null;
  if (!target.startsWith('.')) return null;
  return posix.join(posix.dirname(path), target).split('/')[0] ?? null;
}

function namePackage(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

function judgeImport(path: string, room: string, { target, isTypeOnly }: Import): string | null {
  const targetRoom = findTargetRoom(path, target);
  if (targetRoom !== null) {
    const isAllowed = isOutsideProduct(room) || targetRoom === room || mayImport[room]?.includes(targetRoom) === true;
    return isAllowed ? null : `${path}: ${room} must not import ${targetRoom} (${target})`;
  }
  const packageName = target.startsWith('node:') ? target : namePackage(target);
  const mayUseAnything = room !== 'core' && room !== 'dashboard';
  if (!mayUseAnything && packageName !== 'zod' && !isTypeOnly) return `${path}: ${room} must not use ${packageName}`;
  const home = homes[packageName];
  const isHome = home === undefined || path.startsWith(`${home}/`) || isOutsideProduct(room);
  return isHome ? null : `${path}: ${packageName} belongs in ${home}`;
}

/** A room's `main.ts` and its `config.ts` (which main hands the environment to) are the only doors of the environment. */
function judgeEnvironment(path: string, room: string, text: string): string | null {
  const isDoor = isOutsideProduct(room) || /(^|\/)(main|config)\.ts$/.test(path);
  return isDoor || !/\bprocess\s*\.\s*env\b/.test(text) ? null : `${path}: reads process.env (only main.ts may, through its config)`;
}

function judgeShape({ path, text }: SourceFile): string[] {
  const faults: string[] = [];
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (lines > maxLines && !longFiles.some((pattern) => pattern.test(path))) faults.push(`${path}: ${lines} lines, more than ${maxLines}`);
  const folder = path.split('/').find((part) => nameless.includes(part));
  if (folder !== undefined) faults.push(`${path}: lies in a folder called ${folder}; name it after what it holds`);
  return faults;
}

/** Every breach of the rules about rooms, one line each: empty when all is well. */
export function findFaults(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const shape = judgeShape(file);
    const room = file.path.includes('/') ? (file.path.split('/')[0] ?? '') : '';
    if (!isTypeScript(file.path)) return shape;
    const text = removeComments(file.text);
    const imports = listImports(text).map((each) => judgeImport(file.path, room, each));
    return [...shape, ...imports, judgeEnvironment(file.path, room, text)].filter((fault) => fault !== null);
  });
}
