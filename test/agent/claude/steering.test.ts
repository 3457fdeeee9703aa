import test from 'ava';
import type { ArtifactStore } from '#core/ports.ts';
import type { Instruction } from '#core/instruction.ts';
import { keys } from '#core/names.ts';
import { runAgent } from '#agent/run.ts';
import { wrapWrites } from '#agent/storing.ts';
import { finish, listSolutions, makeExplorer, nextAttempt, noteOf, NOTHING, plan, program, startServer } from './_explore.ts';

const PLANNING = ['You are the planner'];
const DRAFTING = ['You are the engineer. Write a new program'];
const json = (value: unknown) => ({ kind: 'json' as const, value });

/** What the control plane does for `instruct`. */
async function tell(store: ArtifactStore, jobId: string, first: number, ...instructions: readonly Instruction[]): Promise<void> {
  for (const [index, instruction] of instructions.entries()) {
    const seq = first + index;
    const body = JSON.stringify({ schemaVersion: 1, seq, at: new Date().toISOString(), instruction });
    await store.createObject(keys.instruction(jobId, seq), body, 'application/json');
  }
}

test('a person’s words, idea and veto reach Claude: the idea comes first, what is vetoed is never tried', async (t) => {
  const server = await startServer(t, [
    { contains: [...DRAFTING, 'use the weekday', 'shops close on Sundays'], answer: json(program(2.5, { title: 'Weekday' })) },
    {
      contains: [
        ...PLANNING,
        '- the dates matter',
        '- Do not try: neural nets',
        'improve "use the weekday", wanted by the person: helped as #3',
      ],
      answer: json(plan('draft', 'Neural-nets, wide', 'neighbours')),
    },
    { contains: [...DRAFTING, 'neighbours', '- the dates matter'], answer: json(program(2)) },
    { contains: PLANNING, answer: json(plan('draft', 'one more')) },
    { contains: [...DRAFTING, 'one more', '- and the rain'], answer: json(program(1.9)) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const said: Promise<void>[] = [];
  const params = await makeExplorer(t, server, {
    // While the second program runs.
    onCall: (method, given) => {
      const isSecond = method === 'finish_solution' && (given as { solution: number }).solution === 4;
      if (isSecond) said.push(tell(params.store, params.spec.jobId, 4, { kind: 'say', text: 'and the\nrain </data>' }));
    },
  });
  await tell(
    params.store,
    params.spec.jobId,
    1,
    { kind: 'say', text: 'the dates matter' },
    { kind: 'try', text: 'use the weekday', why: 'shops close on Sundays' },
    { kind: 'never', text: 'neural nets' },
  );
  const { entries } = await finish(t, params);
  await Promise.all(said);
  t.is(said.length, 1);
  t.deepEqual(
    entries.flatMap(({ fact }) => (fact.type === 'instructed' ? [[fact.seq, fact.turn]] : [])),
    [
      [1, 0],
      [2, 0],
      [3, 0],
      [4, 8],
    ],
  );
  t.false(listSolutions(entries).some((line) => /neural/i.test(line)));
});

test('a person’s idea is tried even after six that helped nothing', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'a', 'b', 'c')) },
    ...[7, 8, 9].map((score) => ({ contains: DRAFTING, answer: json(program(score)) })),
    { contains: PLANNING, answer: json(plan('draft', 'd', 'e', 'f')) },
    ...[7.1, 8.1, 9.1].map((score) => ({ contains: DRAFTING, answer: json(program(score)) })),
    { contains: ['You are the engineer', 'my own'], answer: json(program(2, { title: 'Mine' })) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  const params = await makeExplorer(t, server, {
    onCall: async (method, given) => {
      if (method !== 'finish_solution' || (given as { solution: number }).solution !== 8) return;
      await tell(params.store, params.spec.jobId, 1, { kind: 'try', text: 'my own', why: '' });
    },
  });
  const { entries } = await finish(t, params);
  t.true(
    listSolutions(entries).some((line) => line.endsWith('valid: Mine')),
    listSolutions(entries).join('\n'),
  );
});

test('a veto drops what is on the list already, whole words only', async (t) => {
  const server = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'one', 'stacked trees', 'treeshold')) },
    { contains: [...DRAFTING, 'one'], answer: json(program(2.5)) },
    { contains: [...DRAFTING, 'treeshold'], answer: json(program(2)) },
    { contains: [...PLANNING, 'draft "stacked trees": dropped: you do not want it'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING) },
  ]);
  const params = await makeExplorer(t, server, {
    onCall: async (method, given) => {
      if (method !== 'finish_solution' || (given as { solution: number }).solution !== 3) return;
      await tell(params.store, params.spec.jobId, 1, { kind: 'never', text: 'Trees' }, { kind: 'never', text: '…' });
    },
  });
  await finish(t, params);
});

for (const llm of ['auto', 'off'] as const) {
  test(`told to finish, it ends with the best so far: with Claude ${llm}`, async (t) => {
    const server = await startServer(t, []);
    const params = await makeExplorer(t, server, {
      llm,
      onCall: async (method, given) => {
        if (method !== 'finish_solution' || (given as { solution: number }).solution !== 1) return;
        await tell(params.store, params.spec.jobId, 1, { kind: 'finish' });
      },
    });
    const { manifest, entries } = await finish(t, params);
    t.deepEqual(
      listSolutions(entries).filter((line) => line.includes('recipe')),
      ['1 recipe valid: Recipe 1'],
    );
    t.true(manifest.notes.includes('You asked it to finish: 1 planned solution was not tried.'), manifest.notes.join('\n'));
    if (llm === 'auto') t.regex(noteOf(manifest), /it stopped because you asked it to finish/);
    t.is(server.requests.length, 0);
  });
}

test('an attempt after this one hears the same words at the same places: nothing is paid for twice', async (t) => {
  const server = await startServer(t);
  server.answerRest((_, user) => {
    if (user.includes('You are the planner')) return json(user.includes('Two: 2') ? NOTHING : plan('draft', 'one', 'two'));
    return json(user.includes('\none\n') ? program(2.5, { title: 'One' }) : program(2, { title: 'Two' }));
  });
  const params = await makeExplorer(t, server, {
    onCall: async (method, given) => {
      if (method !== 'finish_solution' || (given as { solution: number }).solution !== 3) return;
      await tell(params.store, params.spec.jobId, 1, { kind: 'say', text: 'mind the gap' });
    },
  });
  let isDead = false;
  const dying = wrapWrites(params.store, async ({ key, body, write }) => {
    if (isDead) throw new Error('dead');
    isDead = /\/journal\//.test(key) && /"number":4\b.*"solution-started"/.test(String(body));
    return write();
  });
  await runAgent({ ...params, store: dying });
  t.is(isDead, true, 'it died');
  const asked = server.requests.length;
  await tell(params.store, params.spec.jobId, 2, { kind: 'say', text: 'new words' });
  const again = await makeExplorer(t, server);
  const { entries } = await finish(t, nextAttempt(params, again));
  t.true(listSolutions(entries).includes('4 generated valid: Two'), listSolutions(entries).join('\n'));
  t.is(entries.filter(({ fact }) => fact.type === 'instructed').length, 2);
  const rest = server.requests.slice(asked).map(({ user }) => user);
  t.true(rest.every((user) => user.includes('mind the gap') || user.includes('You are the reviewer')));
  t.is(rest.filter((user) => user.includes('You are the engineer')).length, 0, 'both programs were answered before');
  t.true(rest.at(-1)?.includes('- new words'));
});

test('what cannot be read is passed over, and a store that does not answer takes nothing away', async (t) => {
  const server = await startServer(t, [
    { contains: [...PLANNING, 'Said by the person', '- still heard'], answer: json(NOTHING) },
    { contains: PLANNING, answer: json(NOTHING) },
  ]);
  const params = await makeExplorer(t, server);
  const { jobId } = params.spec;
  await params.store.createObject(keys.instruction(jobId, 1), '{"schemaVersion":1,"instruction":{"kind":"run"}}', 'application/json');
  await params.store.createObject(keys.instruction(jobId, 2), 'x'.repeat(20_000), 'application/json');
  await tell(params.store, jobId, 3, { kind: 'say', text: 'still heard' });
  const lines: string[] = [];
  let refused = 0;
  const plain = wrapWrites(params.store, async ({ write }) => write());
  const listObjects: ArtifactStore['listObjects'] = async (given) => {
    if (given.prefix.includes('/instructions/') && refused++ === 0) throw new Error('not now');
    return params.store.listObjects(given);
  };
  await finish(t, { ...params, store: { ...plain, listObjects }, print: (line) => void lines.push(line) });
  t.true(lines.some((line) => line.includes('instructions cannot be read just now')));
  t.is(lines.filter((line) => line.includes('cannot be read is passed over')).length, 2);
});
