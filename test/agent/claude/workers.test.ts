import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { keys } from '#core/names.ts';
import { readSegments } from '#agent/journal/journal.ts';
import { replayJournal } from '#agent/journal/replay.ts';
import { runAgent } from '#agent/run.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import { wrapWrites } from '#agent/storing.ts';
import type { ClaudeServer } from '#test/claude-server/server.ts';
import { finish, listSolutions, makeExplorer, nextAttempt, NOTHING, plan, program, startServer } from './_explore.ts';

const json = (value: unknown) => ({ kind: 'json' as const, value });

/**
 * The same answer to the same question, always: two plans of two drafts, one of which has to be mended, then an improvement: in no order are there three in a
 * row that help nothing, so that all orders try the same. */
function answer(user: string): unknown {
  if (user.includes('You are the planner')) {
    if (user.includes('improve "better"')) return NOTHING;
    if (user.includes('draft "d"')) return plan('improve', 'better');
    return user.includes('draft "a"') ? plan('draft', 'd', 'e') : plan('draft', 'a', 'b');
  }
  if (user.includes('You are the debugger')) return program(2.6, { title: 'Mended b' });
  if (user.includes('Change the program')) return program(1.2, { title: 'Better' });
  const title = /<data name="idea">\n(\w)\n/.exec(user)?.[1] ?? 'z';
  return program(2.9 - 0.1 * title.charCodeAt(0) + 0.1 * 97, { title, ...(title === 'b' && { fails: 'a bug' }) });
}

async function startAnswering(t: ExecutionContext): Promise<ClaudeServer> {
  const server = await startServer(t);
  server.answerRest((_, user) => json(answer(user)));
  return server;
}

test('with two workers Claude is asked for the next program while one trains; one trains at a time', async (t) => {
  const server = await startAnswering(t);
  let training = 0;
  let isFirst = true;
  const onRun = async (): Promise<void> => {
    training += 1;
    t.is(training, 1);
    // Planner, first draft, second draft: with one worker the third question would never come.
    if (isFirst) await server.arrived(3);
    isFirst = false;
    await delay(1);
    training -= 1;
  };
  const { entries, manifest } = await finish(t, await makeExplorer(t, server, { workers: 2, onRun }));
  const titles = listSolutions(entries).filter((line) => line.includes('generated'));
  t.deepEqual(titles.map((line) => line.replace(/^\d+ /, '').replace(/of \d+ /, '')).toSorted(), [
    'generated failed: b',
    'generated valid: Better',
    'generated valid: a',
    'generated valid: b',
    'generated valid: d',
    'generated valid: e',
  ]);
  t.true((manifest.cv?.score ?? 9) < 1.2, 'the blend of the best');
});

for (const seed of [1, 2, 3, 4, 5]) {
  test(`whatever the order in which two workers finish, a later attempt comes to the same without a question: ${seed}`, async (t) => {
    t.timeout(120_000);
    let state = seed * 7_919;
    const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
    const server = await startAnswering(t);
    // A person speaks while the second program is graded.
    const onCall = async (method: string): Promise<void> => {
      if (method !== 'finish_solution') return;
      const body = JSON.stringify({
        schemaVersion: 1,
        seq: 1,
        at: new Date().toISOString(),
        instruction: { kind: 'say', text: 'mind the gap' },
      });
      const { jobId } = params.spec;
      const begun = verifyJournal(await readSegments(params.store, jobId)).entries.filter(
        ({ fact }) => fact.type === 'solution-started' && fact.kind === 'generated',
      );
      if (begun.length >= 2) await params.store.createObject(keys.instruction(jobId, 1), body, 'application/json');
    };
    const params = await makeExplorer(t, server, { workers: 2, onRun: () => delay(random() * 8), onCall });
    let isDead = false;
    const dying = wrapWrites(params.store, async ({ key, body, write }) => {
      if (isDead) throw new Error('dead');
      isDead = /\/journal\//.test(key) && String(body).includes('"kind":"blend"');
      // Answers and results are stored sooner or later, too.
      await delay(random() * 4);
      return write();
    });
    await runAgent({ ...params, store: dying });
    t.true(isDead);
    const before = verifyJournal(await readSegments(params.store, params.spec.jobId)).entries;
    const turns = replayJournal(before).order?.turns ?? [];
    t.true(turns.length > 12);
    const asked = server.requests.length;
    const { entries } = await finish(t, nextAttempt(params, await makeExplorer(t, server, { workers: 1 })));
    t.is(server.requests.length, asked, 'no question is asked again');
    t.is(entries.filter(({ fact }) => fact.type === 'instructed').length, 1);
    const generated = (of: typeof entries) => listSolutions(of).filter((line) => line.includes('generated'));
    t.deepEqual(generated(entries), generated(before));
    t.deepEqual(replayJournal(entries).order?.turns, turns, 'the same changes in the same order');
  });
}

test('an attempt that ends anywhere is gone on with by two workers: no program runs under two numbers, nothing is paid for twice', async (t) => {
  t.timeout(240_000);
  const reference = await startAnswering(t);
  const whole = await makeExplorer(t, reference, { workers: 2 });
  let writes = 0;
  const counted = wrapWrites(whole.store, async ({ key, write }) => {
    if (/\/(journal|claude|solutions)\//.test(key)) writes += 1;
    return write();
  });
  await finish(t, { ...whole, store: counted });
  for (let at = 5; at < writes; at += 7) {
    const server = await startAnswering(t);
    const params = await makeExplorer(t, server, { workers: 2 });
    let done = 0;
    const dying = wrapWrites(params.store, async ({ key, write }) => {
      if (done >= at) throw new Error('dead');
      if (/\/(journal|claude|solutions)\//.test(key)) done += 1;
      return write();
    });
    await runAgent({ ...params, store: dying });
    const { entries } = await finish(t, nextAttempt(params, await makeExplorer(t, server, { workers: 2 })));
    const programs = entries.flatMap(({ fact }) => (fact.type === 'solution-started' && fact.kind === 'generated' ? [fact] : []));
    const numbers = new Map<string, Set<number>>();
    for (const { program: code, number } of programs) {
      const sha256 = code?.sha256 ?? '';
      numbers.set(sha256, (numbers.get(sha256) ?? new Set()).add(number));
    }
    t.true(
      [...numbers.values()].every(({ size }) => size === 1),
      `after ${at} of ${writes} writes`,
    );
    t.is(numbers.size, 6);
    // At most the two questions that were open when it died; and the planner says twice in a row that it has nothing.
    const repeated = server.requests.length - new Set(server.requests.map(({ user }) => user)).size;
    t.true(repeated <= 3, `after ${at} of ${writes} writes: ${repeated} questions were asked again`);
  }
});
