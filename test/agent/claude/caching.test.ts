import test from 'ava';
import { finish, makeExplorer, plan, program, startServer } from './_explore.ts';

test('in a run of twenty calls at least 70 % of the input of each model is read from its cache', async (t) => {
  const server = await startServer(t);
  let drafts = 0;
  server.answerRest((_, user) => {
    if (user.includes('You are the planner')) {
      return { kind: 'json', value: plan('draft', ...[1, 2, 3].map((i) => `idea ${drafts}.${i}`)) };
    }
    if (user.includes('You are the debugger')) return { kind: 'json', value: program(2.9 - drafts / 100, { title: `mended ${drafts}` }) };
    drafts += 1;
    return {
      kind: 'json',
      value: program(2.9 - drafts / 100, { title: `draft ${drafts}`, fails: `fault ${'abcdefghijklmnopqrst'[drafts]}` }),
    };
  });
  await finish(t, await makeExplorer(t, server, { budgetUsd: 3 }));
  t.true(server.requests.length >= 20, `${server.requests.length} calls`);
  const models = new Map<string, { calls: number; read: number; all: number }>();
  for (const { body, usage } of server.requests.slice(0, 20)) {
    const tokens = (name: string) => Number(usage?.[name] ?? 0);
    const before = models.get(body.model) ?? { calls: 0, read: 0, all: 0 };
    const read = tokens('cache_read_input_tokens');
    const all = read + tokens('input_tokens') + tokens('cache_creation_input_tokens');
    models.set(body.model, { calls: before.calls + 1, read: before.read + read, all: before.all + all });
  }
  for (const [model, { calls, read, all }] of models) {
    if (calls >= 8) t.true(read >= 0.7 * all, `${model}: ${Math.round((100 * read) / all)} % of ${all} tokens in ${calls} calls`);
  }
  t.true([...models.values()].filter(({ calls }) => calls >= 8).length >= 2);
  const prefixes = new Set(
    server.requests
      .map(({ body }) => JSON.stringify([body.system, body.output_config]))
      .map((text) => text.replace(/"effort":"[a-z]+"/, '')),
  );
  t.is(prefixes.size, 1, 'what comes before the question is the same, byte for byte');
});
