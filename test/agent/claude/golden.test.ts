import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { finish, makeExplorer, NOTHING, plan, program, startServer } from './_explore.ts';

const GOLDEN = new URL('../../fixtures/claude/requests.txt', import.meta.url);
const json = (value: unknown) => ({ kind: 'json' as const, value });

test('a whole run asks, word for word, what the golden file says (GOLDEN=write keeps a new one)', async (t) => {
  const blocks = {
    answer: { ...program(2, { title: 'Blocks' }).answer, code: '# scores.csv\nBLOCKS = ("dates",)\nSCORE = 2\nWITHOUT dates = 2.5\n' },
  };
  const server = await startServer(
    t,
    [
      { answer: json(plan('draft', 'one', 'blocks')) },
      { answer: json(program(2.5, { title: 'One', fails: 'no column of that name' })) },
      { answer: json(program(2.5, { title: 'Mended' })) },
      { answer: json({ answer: { kind: 'findings', findings: [] } }) },
      { answer: json(blocks) },
      { answer: json({ answer: { kind: 'findings', findings: [{ about: 'leak', what: 'line 2 may leak' }] } }) },
      { answer: json(plan('ablate', 'what pays')) },
      { answer: json(plan('improve', 'more dates')) },
      {
        answer: json({
          answer: { kind: 'patch', title: 'More', hypothesis: 'h', edits: [{ find: 'SCORE = 2\n', replace: 'SCORE = 1\n' }] },
        }),
      },
      { answer: json({ answer: { kind: 'findings', findings: [] } }) },
      { answer: json(NOTHING) },
      { answer: json(plan('fuse', 'both')) },
      { answer: json(program(3)) },
      { answer: json(NOTHING), times: 2 },
    ],
    { besides: [] },
  );
  await finish(t, await makeExplorer(t, server));
  const [first] = server.requests;
  const system = JSON.stringify(first?.body.system, null, 2).replaceAll('\\n', '\n');
  const asked = server.requests.map(({ body, user }) => `=== ${body.model}, at most ${body.max_tokens} tokens\n${user}`);
  const text = `${system}\n${asked.join('\n')}\n`;
  if (process.env['GOLDEN'] === 'write') await writeFile(GOLDEN, text);
  t.is(text, await readFile(GOLDEN, 'utf8'));
});
