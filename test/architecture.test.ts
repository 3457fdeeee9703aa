import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import test from 'ava';
import { findFaults, type SourceFile } from './_support/architecture.ts';

const projectDir = new URL('..', import.meta.url);

function readSources(): SourceFile[] {
  // Files not added yet count too, so that a fault shows before the commit.
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: projectDir,
    encoding: 'utf8',
  });
  return listed
    .split('\0')
    .filter((path) => /\.(ts|mjs|js|py)$/.test(path))
    .flatMap((path) => {
      try {
        return [{ path, text: readFileSync(new URL(path, projectDir), 'utf8') }];
      } catch {
        // Listed by git, deleted on disk.
        return [];
      }
    });
}

test('imports point one way, heavy packages and the environment stay in their rooms, files stay short', (t) => {
  const sources = readSources();
  t.true(sources.length > 20);
  t.deepEqual(findFaults(sources), []);
});

const wrong: readonly [title: string, path: string, text: string, expected: RegExp][] = [
  ['core importing an adapter', 'core/a.ts', "import { b } from '#adapters/postgres/b.ts';", /core must not import adapters/],
  ['core importing an adapter by a relative path', 'core/a.ts', "import { b } from '../adapters/b.ts';", /core must not import adapters/],
  ['core using a Node module', 'core/a.ts', "import { readFileSync } from 'node:fs';", /core must not use node:fs/],
  ['core using a package', 'core/a.ts', "import express from 'express';", /core must not use express/],
  ['an adapter importing a function', 'adapters/x/a.ts', "import '#functions/submit/app.ts';", /adapters must not import functions/],
  ['a function importing the agent', 'functions/submit/app.ts', "export { run } from '#agent/run.ts';", /functions must not import agent/],
  ['the agent importing a function', 'agent/run.ts', "await import('#functions/submit/app.ts');", /agent must not import functions/],
  ['a function importing local', 'functions/submit/app.ts', "import x from '../../local/main.ts';", /functions must not import local/],
  ['product code importing tests', 'cli/a.ts', "import x from '#test/_support/a.ts';", /cli must not import test/],
  ['pg outside its room', 'functions/status/app.ts', "import pg from 'pg';", /pg belongs in adapters\/postgres/],
  ['a package of a scope outside its room', 'agent/a.ts', "import { S } from '@google-cloud/storage/x';", /belongs in adapters\/storage/],
  ['a multi-line import', 'core/a.ts', "import {\n  b,\n  c,\n} from '#agent/b.ts';", /core must not import agent/],
  ['the environment read deep inside', 'agent/task/a.ts', 'const x = process.env.HOME;', /reads process\.env/],
  ['server code in the dashboard', 'dashboard/a.ts', "import { createServer } from 'node:http';", /dashboard must not use node:http/],
  ['a long file', 'agent/a.ts', 'x;\n'.repeat(401), /401 lines/],
  ['a room without a door policy', 'agent/utils/a.ts', '', /folder called utils/],
];

for (const [title, path, text, expected] of wrong) {
  test(`${title} is a fault`, (t) => {
    const faults = findFaults([{ path, text }]);
    t.is(faults.length, 1, faults.join('\n'));
    t.regex(faults[0] ?? '', expected);
  });
}

const right: readonly [title: string, path: string, text: string][] = [
  ['core importing a type of Node', 'core/a.ts', "import type { Readable } from 'node:stream';"],
  ['core importing zod', 'core/a.ts', "import { z } from 'zod';"],
  ['an adapter importing core', 'adapters/x/a.ts', "import { b } from '#core/b.ts';"],
  [
    'local importing everything below',
    'local/main.ts',
    "import a from '#functions/a.ts';\nimport b from '#agent/b.ts';\nimport c from '#adapters/c.ts';",
  ],
  ['the ledger using pg', 'adapters/postgres/a.ts', "import pg from 'pg';"],
  ['a main file reading the environment', 'functions/submit/main.ts', 'readConfig(process.env);'],
  ['a comment that names an import', 'core/a.ts', "// import { b } from '#adapters/b.ts';"],
];

for (const [title, path, text] of right) {
  test(`${title} is allowed`, (t) => {
    t.deepEqual(findFaults([{ path, text }]), []);
  });
}
