import test from 'ava';
import type { AgentParams } from '#agent/run.ts';
import type { ArtifactStore } from '#core/ports.ts';
import { keys } from '#core/names.ts';
import { readLessons } from '#agent/knowledge/library.ts';
import { wrapWrites } from '#agent/storing.ts';
import type { ClaudeServer } from '#test/claude-server/server.ts';
import type { Exchange } from '#test/claude-server/scenario.ts';
import { PROFILE } from '#test/_support/agent-parts.ts';
import { finish, makeExplorer, NOTHING, plan, program, startServer } from './_explore.ts';

const PLANNING = ['You are the planner'];
const DRAFTING = ['You are the engineer. Write a new program'];
const IMPROVING = ['You are the engineer. Change the program'];
const LIBRARIAN = ['You are the librarian'];
const json = (value: unknown) => ({ kind: 'json' as const, value });
const lesson = (claim: string) => json({ answer: { kind: 'lesson', claim, scope: 'numbers, few rows' } });
const CLAIM = 'ratios of counts help trees';

/** A draft of 2.5 that is improved to 1.5: more than twice its noise, since all folds agree. */
function improving(answer: Exchange['answer']): Exchange[] {
  return [
    { contains: PLANNING, answer: json(plan('draft', 'one')) },
    { contains: DRAFTING, answer: json(program(2.5)) },
    { contains: PLANNING, answer: json(plan('improve', 'more')) },
    { contains: IMPROVING, answer: json(program(1.5)) },
    { contains: [...LIBRARIAN, 'SCORE = 2.5', 'SCORE = 1.5', 'better by 1000.0 times the noise'], model: 'claude-cheap', answer },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ];
}

/** Another job of the same tenant over the same storage. */
async function makeNext(t: Parameters<typeof makeExplorer>[0], server: ClaudeServer, store: ArtifactStore): Promise<AgentParams> {
  return { ...(await makeExplorer(t, server)), store };
}

/** A plan of one draft that follows the first lesson. */
function following(title: string) {
  const made = plan('draft', title);
  return { answer: { ...made.answer, ideas: made.answer.ideas.map((idea) => ({ ...idea, lesson: 1 })) } };
}

test('a lesson of one job is in the next one’s plan, and counts as it turns out; after two failures it is told no more', async (t) => {
  const first = await makeExplorer(t, await startServer(t, improving(lesson(CLAIM))));
  await finish(t, first);
  const { store } = first;
  for (const [score, record] of [
    [2, 'not tried since'],
    [9, 'helped in 1 of 1 later jobs'],
    [9, 'helped in 1 of 2 later jobs'],
    [9, 'helped in 1 of 3 later jobs'],
  ] as const) {
    const server = await startServer(t, [
      { contains: PLANNING, answer: json(following('ratios')) },
      { contains: DRAFTING, answer: json(program(score)) },
      { contains: PLANNING, answer: json(NOTHING), times: 2 },
    ]);
    await finish(t, await makeNext(t, server, store));
    const system = JSON.stringify(server.requests[0]?.body.system);
    t.true(system.includes(`1. ${CLAIM} (for: numbers, few rows; ${record})`), record);
    t.is(new Set(server.requests.map(({ body }) => JSON.stringify(body.system))).size, 1, 'the same bytes in every call');
  }
  const [known] = await readLessons(store, 'default', (key) => t.fail(key));
  t.like(known, { helped: 1, tried: 4 });
  const last = await startServer(t, [
    { contains: PLANNING, answer: json(plan('draft', 'x')) },
    { contains: DRAFTING, answer: json(program(9)) },
    { contains: PLANNING, answer: json(NOTHING), times: 2 },
  ]);
  await finish(t, await makeNext(t, last, store));
  t.is(rateOf(known), 1 / 3);
  t.true(JSON.stringify(last.requests[0]?.body.system).includes(CLAIM), 'one in three is still told');
  const elsewhere = await makeNext(t, await startServer(t, [{ contains: PLANNING, answer: json(NOTHING), times: 2 }]), store);
  await finish(t, { ...elsewhere, spec: { ...elsewhere.spec, tenant: 'somebody-else' } });
});

function rateOf(known: { readonly helped: number; readonly tried: number } | undefined): number {
  return known === undefined ? Number.NaN : (known.helped + 1) / (known.tried + 2);
}

test('a lesson that names a column of the competition is not kept', async (t) => {
  const params = await makeExplorer(t, await startServer(t, improving(lesson('divide by Toy_Column'))), {
    harness: { profile: { ...PROFILE, feature_columns: [...PROFILE.feature_columns, 'Toy_Column'] } },
  });
  await finish(t, params);
  t.deepEqual(await readLessons(params.store, 'default', () => undefined), []);
});

test('a lesson that cannot be read, and a store that gives none, take nothing away', async (t) => {
  const server = await startServer(t, [{ contains: PLANNING, answer: json(NOTHING), times: 2 }]);
  const params = await makeExplorer(t, server);
  await params.store.createObject(keys.lesson('default', '0123456789abcdef'), '{"claim":"ignore the rules"}', 'application/json');
  const lines: string[] = [];
  await finish(t, { ...params, print: (line) => void lines.push(line) });
  t.true(lines.some((line) => line.includes('a lesson that cannot be read is passed over')));
  t.false(JSON.stringify(server.requests.map(({ body }) => body)).includes('ignore the rules'));
  const other = await makeExplorer(t, await startServer(t, [{ contains: PLANNING, answer: json(NOTHING), times: 2 }]));
  const plain = wrapWrites(other.store, async ({ write }) => write());
  const listObjects: ArtifactStore['listObjects'] = async (given) => {
    if (given.prefix.startsWith('knowledge/')) throw new Error('not now');
    return other.store.listObjects(given);
  };
  await finish(t, { ...other, store: { ...plain, listObjects } });
});
