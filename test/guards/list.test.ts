import { readFile } from 'node:fs/promises';
import test from 'ava';
import { GUARDS } from './list.ts';

const PROJECT = new URL('../../', import.meta.url);

test('every guard of the list stands once in its file, has a name of its own, and a test that exists', async (t) => {
  t.is(new Set(GUARDS.map(({ name }) => name)).size, GUARDS.length);
  for (const { name, file, find, replace, test: path, title } of GUARDS) {
    const text = await readFile(new URL(file, PROJECT), 'utf8');
    t.is(text.split(find).length, 2, `${name}: not once in ${file}`);
    t.not(find, replace, name);
    const tests = await readFile(new URL(path, PROJECT), 'utf8');
    // Titles may be made of parts: one long word of it is enough.
    const words = title.split(/\W+/).filter((word) => word.length > 3);
    t.true(
      words.some((word) => tests.includes(word)),
      `${name}: no such test in ${path}`,
    );
  }
});
