import { readFile } from 'node:fs/promises';
import test from 'ava';
import type { SolutionRun } from '#agent/sandbox/sandbox.ts';
import { runAgent } from '#agent/run.ts';
import { wrapWrites } from '#agent/storing.ts';
import { finish, listSolutions, makeExplorer, nextAttempt, NOTHING, plan, program, startServer } from './_explore.ts';

const PLANNING = ['You are the planner'];
const DRAFTING = ['You are the engineer. Write a new program'];
const IMPROVING = ['You are the engineer. Change the program'];
const READING = ['You read what blocks of the best program are worth'];
const json = (value: unknown) => ({ kind: 'json' as const, value });

/** A program of score 2 that is worse by .5 without its dates, better by .25 without its noise, and nothing without its core. */
const WITH_BLOCKS = {
  answer: {
    ...program(2, { title: 'Blocks' }).answer,
    code: '# scores.csv\nBLOCKS = ("dates", "noise", "core")\nSCORE = 2\nWITHOUT dates = 2.5\nWITHOUT noise = 1.75\n',
  },
};
const MEASURED = [
  '"dates": worth 0.5 a fold (noise 0, 3 folds)',
  '"noise": worth -0.25 a fold (noise 0, 3 folds)',
  '"core": the program fails without it',
];

test('the harness leaves blocks out of the best program, and what they are worth decides what is changed next', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'blocks')) },
    { contains: DRAFTING, answer: json(WITH_BLOCKS) },
    { contains: [...PLANNING, 'draft "blocks": helped as #3'], answer: json(plan('ablate', 'what pays')) },
    {
      contains: [...READING, ...MEASURED, 'WITHOUT dates'],
      model: 'claude-strong',
      answer: json(plan('improve', 'more dates', 'no noise')),
    },
    { contains: [...IMPROVING, 'more dates'], answer: json(program(1.5, { title: 'More dates' })) },
    { contains: [...IMPROVING, 'no noise', 'SCORE = 1.5'], answer: json(program(1.75, { title: 'No noise' })) },
    { contains: [...PLANNING, 'ablate "what pays": helped as #3: 2 ideas follow from it'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING) },
  ]);
  const { entries } = await finish(t, await makeExplorer(t, server));
  t.deepEqual(listSolutions(entries).slice(3, 6), [
    '3 generated valid: Blocks',
    '4 generated of 3 valid: More dates',
    '5 generated of 4 valid: No noise',
  ]);
  const ablated = entries.flatMap(({ fact }) => (fact.type === 'ablated' ? [fact] : []));
  t.is(ablated.length, 1);
  t.like(ablated[0], { solution: 3, effects: { length: 3, 0: { block: 'dates', gains: [0.5, 0.5, 0.5] } } });
});

test('a run without a block may take little longer than the program took with it', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'blocks')) },
    { contains: DRAFTING, answer: json(WITH_BLOCKS) },
    { contains: PLANNING, answer: json(plan('ablate', 'what pays')) },
    { contains: READING, answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const without: number[] = [];
  const onRun = async ({ paramsFile, timeoutMs }: SolutionRun): Promise<void> => {
    if ((await readFile(paramsFile, 'utf8')).includes('"off"')) without.push(timeoutMs);
  };
  await finish(t, await makeExplorer(t, server, { remainingS: 600, onRun }));
  t.true(without.length >= 7 && without.every((timeoutMs) => timeoutMs < 6_000), without.join());
});

test('ideas that help nothing make it look at the blocks, once', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'blocks', 'a', 'b', 'c', 'd')) },
    { contains: DRAFTING, answer: json(WITH_BLOCKS) },
    { contains: DRAFTING, answer: json(program(7, { family: 'a' })) },
    { contains: DRAFTING, answer: json(program(8, { family: 'b' })) },
    { contains: DRAFTING, answer: json(program(9, { family: 'c' })) },
    { contains: READING, answer: json(plan('improve', 'more dates')) },
    { contains: IMPROVING, answer: json(program(2.2)) },
    { contains: [...PLANNING, 'draft "d": dropped: planned anew', 'by rule'], answer: json(plan('ablate', 'again')) },
    { contains: [...PLANNING, 'ablate "again": did not help: there is no program with blocks'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING) },
  ]);
  const { entries } = await finish(t, await makeExplorer(t, server));
  t.is(entries.filter(({ fact }) => fact.type === 'ablated').length, 1);
});

test('an attempt after this one does not measure the blocks again', async (t) => {
  const server = await startServer(t);
  server.answerRest((_, user) => {
    if (user.includes('You read what blocks')) return json(plan('improve', 'more dates'));
    if (user.includes('Change the program')) return json(program(1.5, { title: 'More dates' }));
    if (!user.includes('You are the planner')) return json(WITH_BLOCKS);
    if (user.includes('More dates')) return json(NOTHING);
    return json(user.includes('as #3') ? plan('ablate', 'what pays') : plan('draft', 'blocks'));
  });
  let isDead = false;
  const params = await makeExplorer(t, server);
  const dying = wrapWrites(params.store, async ({ key, body, write }) => {
    if (isDead) throw new Error('dead');
    isDead = /\/journal\//.test(key) && String(body).includes('"ablated"');
    return write();
  });
  await runAgent({ ...params, store: dying });
  t.true(isDead);
  let without = 0;
  const onRun = ({ paramsFile }: { readonly paramsFile: string }): void => void (without += paramsFile === '' ? 0 : 1);
  const again = await makeExplorer(t, server, { onRun });
  const { entries } = await finish(t, nextAttempt(params, again));
  t.true(listSolutions(entries).includes('4 generated of 3 valid: More dates'), listSolutions(entries).join('\n'));
  t.is(entries.filter(({ fact }) => fact.type === 'ablated').length, 1);
  t.true(without > 0 && without <= 5, `${without} runs: three folds and probes of the new program alone`);
});

test('a reader’s findings stand beside the checks, reach whoever changes the program, and change no score', async (t) => {
  const found = { answer: { kind: 'findings', findings: [{ about: 'leak', what: 'line 2 fits on\nPREDICT' }] } };
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one')) },
    { contains: DRAFTING, answer: json(program(2, { title: 'One' })) },
    { contains: ['You are the reviewer', 'SCORE = 2'], model: 'claude-cheap', answer: json(found) },
    { contains: PLANNING, answer: json(plan('improve', 'more')) },
    { contains: [...IMPROVING, '<data name="findings">\nleak: line 2 fits on PREDICT\n</data>'], answer: json(program(2.4)) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const { entries, manifest } = await finish(t, await makeExplorer(t, server));
  t.is(server.requests.filter(({ user }) => user.includes('You are the reviewer')).length, 1, 'the second one made nothing better');
  const told = server.requests.find(({ user }) => user.includes('You are the reviewer'))?.user ?? '';
  t.false(/solutions so far|behind the best|: 2,/.test(told), 'it sees the program alone');
  t.is(manifest.trust?.verdict, 'verified');
  t.is(manifest.cv?.score, 1.75);
  t.true(listSolutions(entries).includes('3 generated valid: One'));
});
