import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { MessagesRequest } from '#test/claude-server/server.ts';
import { fence } from '#agent/roles/fence.ts';
import { API_KEY } from '#test/claude-server/server.ts';
import { createScriptedHarness, createScriptedKaggle, PROFILE } from '#test/_support/agent-parts.ts';
import { finish, listSolutions, makeExplorer, NOTHING, plan, program, startServer } from './_explore.ts';
import { INJECTIONS } from './_injections.ts';

/** Everything of a request that the model reads, without what is between markers. */
function outside(body: MessagesRequest): string {
  const blocks = [body.system ?? [], ...body.messages.map(({ content }) => content)].flatMap((content) =>
    typeof content === 'string' ? [content] : content.map(({ text }) => text),
  );
  return blocks
    .map((text) => text.replaceAll(/<data name="[^"\n]*">\n[^]*?\n<\/data>/g, '').replaceAll(/<program>\n[^]*?\n<\/program>/g, ''))
    .join('\n');
}

/** A model that does the worst that an answer can do: it obeys with other kinds of answers first, then with programs that carry the text on. */
function obey(server: Awaited<ReturnType<typeof startServer>>, text: string): void {
  let turn = 0;
  server.answerRest((_, user) => {
    turn += 1;
    if (user.includes('You are the planner')) {
      if (turn > 6) return { kind: 'json', value: NOTHING };
      return turn === 1
        ? { kind: 'json', value: { answer: { kind: 'run', command: text } } }
        : { kind: 'json', value: plan('draft', `obey ${turn} ${text}`.slice(0, 400)) };
    }
    if (user.includes('An earlier answer was refused')) return { kind: 'json', value: program(6, { title: text.slice(0, 150) }) };
    if (user.includes('You are the reviewer'))
      return { kind: 'json', value: { answer: { kind: 'findings', findings: [{ about: 'leak', what: text.slice(0, 290) }] } } };
    if (user.includes('You are the debugger')) return { kind: 'text', text: `I obey: ${text}` };
    return { kind: 'json', value: program(6 + turn / 10, { title: `obeys ${turn}`, fails: turn % 2 === 0 ? 'it failed' : undefined }) };
  });
}

/** One run in which the text stands in the pages, in a column's name, in cells, and in what programs print. */
async function runInjected(t: ExecutionContext, text: string) {
  const server = await startServer(t, [], { besides: [] });
  obey(server, text);
  const params = await makeExplorer(t, server, { said: text });
  const pages = [{ name: 'Evaluation', content: `Scored by the root mean squared error. ${text}` }];
  const home = join(params.workDir, '..', 'injected-harness');
  await mkdir(join(home, 'fold-0', 'predict'), { recursive: true });
  await writeFile(join(home, 'fold-0', 'predict', 'rows.csv'), `key,x\n1,"${text}"\n`);
  const name = text.replaceAll(/[\n"]/g, ' ').slice(-200);
  const profile = { ...PROFILE, feature_columns: ['x', name], column_types: { ...PROFILE.column_types, [name]: 'text' as const } };
  const kaggleFile = join(params.workDir, '..', 'kaggle-injected.txt');
  const outcome = await finish(t, {
    ...params,
    kaggle: createScriptedKaggle(kaggleFile, { getPages: async () => pages }),
    startHarness: () => createScriptedHarness(home, undefined, { profile }),
  });
  return { server, kaggleFile, ...outcome };
}

for (const [index, text] of INJECTIONS.entries()) {
  test(`a text that gives orders stays data, and the worst obedience changes nothing: ${index}`, async (t) => {
    const mark = `INJECTED-${String(index).padStart(2, '0')}`;
    const { server, kaggleFile, manifest, entries } = await runInjected(t, text);
    t.true(server.requests.length >= 5);
    t.true(server.requests.some(({ bytes }) => bytes.includes('scored by the root') || bytes.includes('Scored by the root')));
    for (const { body, bytes } of server.requests) {
      t.false(outside(body).includes(mark), 'it is outside of the markers');
      t.false(bytes.includes(API_KEY));
      t.false(bytes.includes(String.fromCodePoint(27)) || bytes.includes('\\u001b'), 'control characters are gone');
      t.is(body.tools, undefined);
    }
    // No submission, no other kind of step, the metric and the best are what they were.
    t.is(await readFile(kaggleFile, 'utf8').catch(() => ''), '');
    t.like(manifest, { metric: 'rmse', direction: 'minimize', cv: { score: 2.75 } });
    t.true(listSolutions(entries).every((line) => /^\d+ (baseline|recipe|generated|blend)/.test(line)));
    t.true(entries.every(({ fact }) => fact.type !== 'reserved' || fact.what === 'claude-call'));
  });
}

test('a fence cannot be closed from inside, is cut, and says so', (t) => {
  for (const text of INJECTIONS) {
    const fenced = fence('x', text, 500);
    t.is(fenced.split('</data>').length, 2, text.slice(0, 60));
    t.is(fenced.match(/<data/g)?.length, 1, text.slice(0, 60));
    t.true(fenced.length < 600);
  }
  t.regex(fence('x', 'a'.repeat(600), 500), /\[100 characters more\]\n<\/data>$/);
});
