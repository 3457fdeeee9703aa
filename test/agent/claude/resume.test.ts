import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { AgentParams } from '#agent/run.ts';
import type { ArtifactStore } from '#core/ports.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { runAgent } from '#agent/run.ts';
import { replayJournal } from '#agent/journal/replay.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import { wrapWrites } from '#agent/storing.ts';
import { countWrites, dieAfter } from './_die.ts';
import type { ClaudeServer } from '#test/claude-server/server.ts';
import { finish, listSolutions, makeExplorer, nextAttempt, NOTHING, plan, program, startServer } from './_explore.ts';

/** The same answer to the same question, always. */
function answer(user: string): unknown {
  if (user.includes('You are the planner')) {
    if (user.includes('More of one')) return NOTHING;
    return user.includes('One: 2.5') ? plan('improve', 'more') : plan('draft', 'one', 'two');
  }
  if (user.includes('You are the debugger')) return program(2.6, { title: 'Two' });
  if (user.includes('Change the program')) {
    return { answer: { kind: 'patch', title: 'More of one', hypothesis: 'h', edits: [{ find: 'SCORE = 2.5', replace: 'SCORE = 1.5' }] } };
  }
  return user.includes('\none\n') || user.includes('>\none')
    ? program(2.5, { title: 'One' })
    : program(2.6, { title: 'Two', fails: 'a bug' });
}

async function startAnswering(t: ExecutionContext): Promise<ClaudeServer> {
  const server = await startServer(t);
  server.answerRest((_, user) => ({ kind: 'json', value: answer(user) }));
  return server;
}

/** What was charged to the account for the requests, in dollars. */
function chargedFor(server: ClaudeServer): number {
  return server.requests.reduce((sum, { usage, body }) => {
    const tokens = (name: string) => Number(usage?.[name] ?? 0);
    const isCheap = body.model === 'claude-cheap';
    const input = (isCheap ? 0.1 : 2) * (tokens('input_tokens') + 2 * tokens('cache_creation_input_tokens'));
    const read = (isCheap ? 0.01 : 0.1) * tokens('cache_read_input_tokens');
    return sum + (input + read + (isCheap ? 0.5 : 10) * tokens('output_tokens')) / 1e6;
  }, 0);
}

test('an attempt that ends anywhere is gone on with: the same tree, no answer paid for twice, and nothing spent that is not charged', async (t) => {
  t.timeout(240_000);
  const first = await startAnswering(t);
  const { params: whole, count } = countWrites(await makeExplorer(t, first));
  const { manifest, entries } = await finish(t, whole);
  const writes = count();
  const tree = listSolutions(entries);
  t.is(tree.filter((line) => line.includes('generated')).length, 4);
  const asked = first.requests.length;
  for (let at = 1; at < writes; at += 1) {
    const server = await startAnswering(t);
    const params = await makeExplorer(t, server);
    const code = await runAgent(dieAfter(params, at));
    const again = await makeExplorer(t, server);
    const title = `after ${at} of ${writes} writes (code ${code})`;
    t.is(await runAgent(nextAttempt(params, again)), 0, title);
    const resumed = verifyJournal(await readSegments(params.store, params.spec.jobId)).entries;
    t.deepEqual(listSolutions(resumed), tree, title);
    t.true(server.requests.length <= asked + 1, `${title}: ${server.requests.length} questions instead of ${asked}`);
    const { spentUsd } = replayJournal(resumed);
    t.true(spentUsd >= chargedFor(server) - 1e-9, `${title}: ${spentUsd} charged for ${chargedFor(server)}`);
  }
  t.truthy(manifest);
});

test('a stored answer is used for its own question only, and only with the bytes that were stored', async (t) => {
  t.timeout(120_000);
  /** How many questions the second attempt asks after the first died with answers stored, and what was tried in the end. */
  const askAgain = async (change: (next: AgentParams) => AgentParams) => {
    const server = await startAnswering(t);
    const params = await makeExplorer(t, server);
    await runAgent(dieAfter(params, 2, /\/claude\//));
    const before = server.requests.length;
    t.true(before >= 2, `${before} questions before it died`);
    const lines: string[] = [];
    const next = change(nextAttempt(params, await makeExplorer(t, server)));
    t.is(await runAgent({ ...next, print: (line) => lines.push(line) }), 0, lines.slice(-5).join('\n'));
    const { entries } = verifyJournal(await readSegments(params.store, params.spec.jobId));
    return { questions: server.requests.length - before, tree: listSolutions(entries) };
  };
  const usual = await askAgain((next) => next);
  const changed = await askAgain((next) => {
    const readObject: ArtifactStore['readObject'] = async (key, maxBytes) => {
      const bytes = await next.store.readObject(key, maxBytes);
      return bytes !== null && key.includes('/claude/')
        ? Buffer.from(JSON.stringify({ kind: 'answer', ...plan('draft', 'another') }))
        : bytes;
    };
    return { ...next, store: { ...wrapWrites(next.store, async ({ write }) => write()), readObject } };
  });
  const otherwise = await askAgain((next) => ({ ...next, spec: { ...next.spec, hint: 'look at the dates' } }));
  t.true(changed.questions > usual.questions);
  t.deepEqual(changed.tree, usual.tree);
  t.true(otherwise.questions > usual.questions);
});
