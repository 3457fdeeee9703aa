import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { readSegments } from '#agent/journal/journal.ts';
import { replayJournal } from '#agent/journal/replay.ts';
import { runAgent } from '#agent/run.ts';
import { verifyJournal } from '#agent/journal/chain.ts';
import { wrapWrites } from '#agent/storing.ts';
import { PROFILE } from '#test/_support/agent-parts.ts';
import { finish, listSolutions, makeExplorer, noteOf, NOTHING, plan, program, startServer } from './_explore.ts';

const PLANNING = ['You are the planner'];
const DRAFTING = ['You are the engineer. Write a new program'];
const IMPROVING = ['You are the engineer. Change the program'];
const MENDING = ['You are the debugger'];
const json = (value: unknown) => ({ kind: 'json' as const, value });

test('Claude plans, drafts, improves the best, and its program becomes the result', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, model: 'claude-strong', answer: json(plan('draft', 'neighbours', 'kernels')) },
    { contains: [...DRAFTING, 'neighbours'], model: 'claude-strong', answer: json(program(2.5, { title: 'Neighbours' })) },
    { contains: [...DRAFTING, 'kernels', '#3 (generated) Neighbours: 2.5, the best'], answer: json(program(2.6, { title: 'Kernels' })) },
    { contains: PLANNING, answer: json(plan('improve', 'more neighbours')) },
    {
      contains: [...IMPROVING, 'SCORE = 2.5', 'more neighbours'],
      answer: json({
        answer: { kind: 'patch', title: 'More neighbours', hypothesis: 'h', edits: [{ find: 'SCORE = 2.5', replace: 'SCORE = 1.5' }] },
      }),
    },
    { contains: [...PLANNING, '#5 (generated of #3) More neighbours: 1.5, the best'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING) },
  ]);
  const { manifest, entries } = await finish(t, await makeExplorer(t, server));
  t.deepEqual(listSolutions(entries), [
    '0 baseline valid: Constant baseline',
    '1 recipe valid: Recipe 1',
    '2 recipe valid: Recipe 2',
    '3 generated valid: Neighbours',
    '4 generated valid: Kernels',
    '5 generated of 3 valid: More neighbours',
    '6 blend of 1,2,3,5 valid: Blend of 4 solutions',
  ]);
  t.is(manifest.bestSolution, 6, 'the blend is a little better than its best member');
  t.is(manifest.cv?.score, 1.25);
  t.regex(noteOf(manifest), /^Claude wrote 3 programs for \$0\.\d{4} of \$5; it stopped because it had no further ideas\.$/);
  t.true((manifest.resources?.llmUsd ?? 0) > 0);
});

test('what was spent is what the provider counted, and stays below what was set aside', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: { ...json(plan('draft', 'one')), outputTokens: 3_000 } },
    { contains: DRAFTING, answer: { ...json(program(2)), outputTokens: 9_000 } },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const { manifest, entries } = await finish(t, await makeExplorer(t, server));
  const reserved = new Map(entries.flatMap(({ fact }) => (fact.type === 'reserved' ? [[fact.id, fact.usd]] : [])));
  const settled = entries.flatMap(({ fact }) => (fact.type === 'settled' ? [fact] : []));
  t.is(settled.length, 5, 'the reviewer, too');
  for (const { id, usd } of settled) t.true(usd > 0 && usd <= (reserved.get(id) ?? 0));
  const truly = server.requests.reduce((sum, { usage, body }) => {
    const tokens = (name: string) => Number(usage?.[name] ?? 0);
    const isCheap = body.model === 'claude-cheap';
    const input = (isCheap ? 0.1 : 2) * (tokens('input_tokens') + 2 * tokens('cache_creation_input_tokens'));
    const read = (isCheap ? 0.01 : 0.1) * tokens('cache_read_input_tokens');
    return sum + (input + read + (isCheap ? 0.5 : 10) * tokens('output_tokens')) / 1e6;
  }, 0);
  t.true(Math.abs((manifest.resources?.llmUsd ?? 0) - truly) < 1e-5, `${manifest.resources?.llmUsd} ${truly}`);
  const order = entries.map(({ fact }) => fact.type).filter((type) => type === 'reserved' || type === 'settled' || type === 'replied');
  t.deepEqual(order.slice(0, 3), ['reserved', 'settled', 'replied']);
});

test('a program that fails is mended by the cheap model, which sees how it ended', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one')) },
    { contains: DRAFTING, answer: json(program(2, { title: 'Broken', fails: 'no such column' })) },
    {
      contains: [...MENDING, 'no such column', 'FAILS = "no such column"'],
      model: 'claude-cheap',
      answer: json(program(2, { title: 'Renamed' })),
    },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const { entries } = await finish(t, await makeExplorer(t, server));
  t.deepEqual(listSolutions(entries).slice(3, 5), ['3 generated failed: Broken', '4 generated valid: Broken']);
});

test('the same failure twice, or three repairs, end an idea', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'same', 'other')) },
    { contains: [...DRAFTING, 'same'], answer: json(program(2, { fails: 'row 1 is wrong' })) },
    { contains: MENDING, answer: json(program(2.1, { fails: 'row 2 is wrong' })) },
    { contains: [...DRAFTING, 'other'], answer: json(program(2.2, { fails: 'a' })) },
    { contains: [...MENDING, 'Traceback: a'], answer: json(program(2.3, { fails: 'b' })) },
    { contains: [...MENDING, 'Traceback: b'], answer: json(program(2.4, { fails: 'c' })) },
    { contains: [...MENDING, 'Traceback: c'], answer: json(program(2.5, { fails: 'd' })) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const { manifest } = await finish(t, await makeExplorer(t, server));
  t.is(manifest.cv?.score, 2.75, 'the blend of the recipes');
});

test('with large folds a program is tried on a sample first, and mended by what it says there', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one')) },
    { contains: DRAFTING, answer: json(program(2, { title: 'Broken', fails: 'no such column' })) },
    { contains: [...MENDING, 'on a sample, fold-10: the program failed', 'no such column'], answer: json(program(2, { title: 'Mended' })) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const folds: string[] = [];
  const onCall = (method: string) => void folds.push(method);
  const { entries } = await finish(t, await makeExplorer(t, server, { harness: { hasSample: true }, onCall }));
  t.deepEqual(listSolutions(entries).slice(3, 5), ['3 generated failed: Broken', '4 generated valid: Broken']);
  t.is(folds.filter((method) => method === 'grade_fold').length, 3 * 3, 'two recipes and the mended program: the broken one met no fold');
});

test('a program that carries answers is refused and never run, and one that may run gets a share of the time', async (t) => {
  const ran: number[] = [];
  const onRun = ({ timeoutMs }: { readonly timeoutMs: number }): void => void ran.push(timeoutMs);
  const refusing = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one')) },
    { contains: DRAFTING, answer: json(program(0.1)) },
    { contains: [...MENDING, 'the program is refused: it names ids'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const refused = await finish(t, await makeExplorer(t, refusing, { harness: { refusal: 'it names ids' }, onRun }));
  t.is(refused.manifest.cv?.score, 2.75);
  t.deepEqual(ran, []);
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one')) },
    { contains: DRAFTING, answer: json(program(2)) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  await finish(t, await makeExplorer(t, server, { remainingS: 600, onRun }));
  const folds = ran.slice(0, 3);
  // A third of nine minutes, over three folds one after the other.
  t.true(folds.length === 3 && folds.every((timeoutMs) => timeoutMs > 30_000 && timeoutMs < 90_000), folds.join());
});

test('nobody is asked for answers that are texts', async (t) => {
  const server = await startServer(t);
  const profile = { ...PROFILE, submission: { ...PROFILE.submission, form: 'answer' as const } };
  const { manifest } = await finish(t, await makeExplorer(t, server, { harness: { profile } }));
  t.regex(noteOf(manifest), /answers that are texts are left to the recipes/);
  t.is(server.requests.length, 0);
});

test('ideas that help nothing end the search: first a new plan, then no more', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'a', 'b', 'c', 'd')) },
    { contains: DRAFTING, answer: json(program(7, { family: 'a' })) },
    { contains: DRAFTING, answer: json(program(8, { family: 'b' })) },
    { contains: DRAFTING, answer: json(program(9, { family: 'c' })) },
    { contains: [...PLANNING, '4 behind the best'], answer: json(plan('draft', 'e', 'f', 'g')) },
    { contains: DRAFTING, answer: json(program(7.1, { family: 'e' })) },
    { contains: DRAFTING, answer: json(program(8.1, { family: 'f' })) },
    { contains: DRAFTING, answer: json(program(9.1, { family: 'g' })) },
  ]);
  const { manifest } = await finish(t, await makeExplorer(t, server));
  t.regex(noteOf(manifest), /6 ideas in a row made nothing better\.$/);
});

test('the best program and the one that answers least like it are joined into one', async (t) => {
  const joined = 'Write one new program, as a "program", that joins';
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one', 'two', 'three')) },
    { contains: [...DRAFTING, 'one'], answer: json(program(2.5, { title: 'One' })) },
    { contains: [...DRAFTING, 'two'], answer: json(program(2.6, { title: 'Two' })) },
    { contains: [...DRAFTING, 'three'], answer: json(program(4, { title: 'Three' })) },
    { contains: [...PLANNING, 'Three: 4, 1.5 behind the best', 'answers like the best 0.85'], answer: json(plan('fuse', 'one and three')) },
    { contains: [joined, 'SCORE = 2.5', 'SCORE = 4'], model: 'claude-strong', answer: json(program(1, { title: 'Both' })) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const { entries } = await finish(t, await makeExplorer(t, server));
  t.true(listSolutions(entries).includes('6 generated of 3,5 valid: Both'), listSolutions(entries).join('\n'));
});

test('where there are no two programs nothing can be joined', async (t) => {
  const server = await startServer(t, [{ contains: PLANNING, answer: json(plan('fuse', 'x')), times: 2 }]);
  const { manifest } = await finish(t, await makeExplorer(t, server));
  t.regex(noteOf(manifest), /its further ideas were all refused/);
});

test('whatever Claude says of the metric, its direction stays, and the better score wins', async (t) => {
  const opposite = {
    answer: { kind: 'findings', findings: [{ about: 'contract', what: 'The metric is to be maximised: 9 is better than 2.' }] },
  };
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'maximise the metric', 'two')) },
    { contains: DRAFTING, answer: json(program(2)) },
    { contains: ['You are the reviewer'], answer: json(opposite) },
    { contains: DRAFTING, answer: json(program(9, { title: 'Higher is better' })) },
    { contains: [...PLANNING, 'scores 2: 2, the best', 'Higher is better: 9, 7 behind the best'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING) },
  ]);
  const { manifest } = await finish(t, await makeExplorer(t, server));
  t.like(manifest, { metric: 'rmse', direction: 'minimize' });
  t.is(manifest.cv?.score, 1.75);
});

test('hardware: a program that ran out of memory is asked for again with less, and one that does so twice is given up', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'large', 'larger')) },
    { contains: [...DRAFTING, 'large'], answer: json(program(2, { ends: 'oom' })) },
    { contains: [...MENDING, 'ran out of memory'], answer: json(program(2.1, { title: 'Smaller' })) },
    { contains: [...DRAFTING, 'larger'], answer: json(program(1, { ends: 'oom' })) },
    { contains: [...MENDING, 'ran out of memory'], answer: json(program(1.1, { ends: 'oom' })) },
    { contains: [...PLANNING, 'draft "larger": failed: it kept failing', 'ran out of memory'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING) },
  ]);
  const { entries } = await finish(t, await makeExplorer(t, server));
  t.deepEqual(
    listSolutions(entries)
      .slice(3, 7)
      .map((line) => line.split(' ')[2]),
    ['failed:', 'valid:', 'failed:', 'failed:'],
  );
});

test('dependencies: a package that is not here is not installed; the debugger is told so, and what there is', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'nets')) },
    { contains: DRAFTING, answer: json(program(2, { ends: 'import' })) },
    {
      contains: [...MENDING, 'needs a package that is not here', "No module named 'torhc'"],
      answer: json(program(2.1, { title: 'Without' })),
    },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  await finish(t, await makeExplorer(t, server));
  for (const { body } of server.requests) t.regex(JSON.stringify(body.system), /Nothing can be installed.*Packages: Python 3/s);
});

test('an idea that would take longer than there is time is not taken, nor one that waits for it', async (t) => {
  const made = plan('draft', 'slow', 'after it', 'quick');
  const [slow, after, quick] = made.answer.ideas;
  const ideas = [{ ...slow, relative_cost: 1_000 }, { ...after, after: ['slow'] }, quick];
  const server = await startServer(t, [
    { contains: PLANNING, answer: json({ answer: { kind: 'plan', ideas } }) },
    { contains: [...DRAFTING, 'quick'], answer: json(program(2)) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  // Each run takes long enough that a thousand times the slowest does not fit.
  const onCall = (method: string) => (method === 'grade_fold' ? delay(50) : undefined);
  await finish(t, await makeExplorer(t, server, { onCall, remainingS: 60 }));
});

test('a family that was drafted is not drafted again', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'Nearest-neighbours')) },
    { contains: DRAFTING, answer: json(program(2)) },
    { contains: PLANNING, answer: json(plan('draft', 'nearest neighbours')) },
    { contains: PLANNING, answer: json(plan('draft', 'NEAREST  NEIGHBOURS')) },
  ]);
  const { manifest } = await finish(t, await makeExplorer(t, server));
  t.regex(noteOf(manifest), /its further ideas were all refused/);
});

for (const [title, answer, why] of [
  ['a key that is refused', { kind: 'error', status: 403, type: 'permission_error' }, /the key is not accepted/],
  ['an account that has to be paid', { kind: 'error', status: 402, type: 'billing_error' }, /the account has to be paid/],
] as const) {
  test(`${title} ends Claude at once, and the recipes go on`, async (t) => {
    const server = await startServer(t, [{ answer }]);
    const { manifest } = await finish(t, await makeExplorer(t, server));
    t.regex(noteOf(manifest), why);
    t.regex(noteOf(manifest), /^Claude wrote 0 programs for \$0\.0000 /);
    t.is(manifest.cv?.score, 2.75);
    t.is(server.requests.length, 1);
  });
}

test('a key that is no key is said to be one, and shown nowhere', async (t) => {
  const server = await startServer(t);
  const params = await makeExplorer(t, server, { apiKey: 'sk-wrong-777' });
  const { manifest, entries } = await finish(t, params);
  t.regex(noteOf(manifest), /the key is not accepted/);
  t.false(JSON.stringify([manifest, entries]).includes('sk-wrong-777'));
});

test('busy times are waited out, and a broken connection is charged in full', async (t) => {
  const server = await startServer(t, [
    { answer: { kind: 'error', status: 429, type: 'rate_limit_error', retryAfterS: 0.01 } },
    { answer: { kind: 'error', status: 529, type: 'overloaded_error', retryAfterS: 0.01 } },
    { answer: { kind: 'drop', text: '{"answer":' } },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const { manifest, entries } = await finish(t, await makeExplorer(t, server));
  const settled = entries.flatMap(({ fact }) => (fact.type === 'settled' ? [fact] : []));
  t.deepEqual(
    settled.map(({ outcome }) => outcome),
    ['busy', 'busy', 'network', 'complete', 'complete'],
  );
  t.deepEqual([settled[0]?.usd, settled[1]?.usd], [0, 0]);
  const reserved = entries.flatMap(({ fact }) => (fact.type === 'reserved' ? [fact] : []));
  t.is(settled[2]?.usd, reserved[2]?.usd);
  t.regex(noteOf(manifest), /no further ideas/);
});

test('an attempt that is stopped while it asks, or while it waits, ends as stopped, and the open call is charged', async (t) => {
  for (const answer of [{ kind: 'hang' as const }, { kind: 'error' as const, status: 429, type: 'rate_limit_error', retryAfterS: 50 }]) {
    const server = await startServer(t, [{ answer }]);
    const stop = new AbortController();
    const params = { ...(await makeExplorer(t, server)), signal: stop.signal };
    const settled = Promise.withResolvers<void>();
    const store = wrapWrites(params.store, async ({ body, write }) => {
      const outcome = await write();
      if (typeof body === 'string' && body.includes('"settled"')) settled.resolve();
      return outcome;
    });
    const ended = runAgent({ ...params, store });
    await (answer.kind === 'hang' ? server.arrived(1) : settled.promise);
    stop.abort(new Error('SIGTERM'));
    t.is(await ended, 75, answer.kind);
    const { entries } = verifyJournal(await readSegments(params.store, params.spec.jobId));
    const { spentUsd } = replayJournal(entries);
    t.is(spentUsd > 0, answer.kind === 'hang');
  }
});

test('without money for a call none is made; a budget of nothing asks nobody', async (t) => {
  const server = await startServer(t);
  const { manifest } = await finish(t, await makeExplorer(t, server, { budgetUsd: 0.01 }));
  t.regex(
    noteOf(manifest),
    /the budget of \$0\.0100 does not allow another call: \$0\.0000 are spent or set aside, and it could cost \$0\.\d+\.$/,
  );
  t.is(server.requests.length, 0);
});

for (const [title, options] of [
  ['nobody is asked where it is switched off', { llm: 'off' as const }],
  ['nobody is asked where generated code may not run', { accepted: false }],
] as const) {
  test(title, async (t) => {
    const server = await startServer(t);
    const { manifest } = await finish(t, await makeExplorer(t, server, options));
    t.is(noteOf(manifest), '');
    t.is(server.requests.length, 0);
  });
}

for (const [title, bad, fault] of [
  ['text instead of JSON', { kind: 'text', text: 'Sure! Here is the plan.' }, 'it is no JSON'],
  ['a missing field', json({ answer: { kind: 'plan' } }), 'ideas'],
  ['an extra field', json({ answer: { kind: 'nothing', reason: 'r', shell: 'ls' } }), 'shell'],
  ['a kind that is none', json({ answer: { kind: 'run', command: 'ls' } }), 'kind'],
  ['a kind that nobody asked for', json(program(1)), 'its kind is program, not plan or nothing'],
  ['an empty answer', { kind: 'text', text: '' }, 'it is no JSON'],
  ['a reply that is cut', { kind: 'text', text: '{"answer":{"kind":"plan","ideas":[', stop: 'max_tokens' }, 'it was cut off'],
  ['a tool instead of an answer', { kind: 'tool', name: 'bash', input: { command: 'ls' } }, 'it was cut off'],
  ['a plan of too many ideas', json(plan('draft', ...Array.from({ length: 13 }, (_, i) => `i${i}`))), 'a plan has 1 to 12 ideas'],
] as const) {
  test(`a bad answer is asked for once more, with what was wrong: ${title}`, async (t) => {
    const server = await startServer(t, [
      { contains: PLANNING, answer: bad },
      { contains: [...PLANNING, 'An earlier answer was refused', fault], answer: json(NOTHING) },
      { contains: PLANNING, answer: json(NOTHING) },
    ]);
    const { manifest } = await finish(t, await makeExplorer(t, server));
    t.regex(noteOf(manifest), /no further ideas/);
  });
}

test('a refusal, and two bad answers, are no answer; nothing else is harmed', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: { kind: 'text', text: '', stop: 'refusal' } },
    { contains: PLANNING, answer: { kind: 'text', text: 'no' }, times: 2 },
  ]);
  const { manifest } = await finish(t, await makeExplorer(t, server));
  t.regex(noteOf(manifest), /no further ideas/);
  t.is(manifest.cv?.score, 2.75);
});

test('code that was cut off is never run', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one')) },
    { contains: DRAFTING, answer: { kind: 'text', text: JSON.stringify(program(0.1)), stop: 'max_tokens' }, times: 2 },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const { manifest, entries } = await finish(t, await makeExplorer(t, server));
  t.false(listSolutions(entries).some((line) => line.includes('generated')));
  t.is(manifest.cv?.score, 2.75);
});
