import { join } from 'node:path';
import test from 'ava';
import { HarnessFailure } from '#agent/harness-port.ts';
import { runAgent } from '#agent/run.ts';
import { createScriptedHarness, makeAgentParams } from '../_support/agent-parts.ts';
import { makeStore, readValidManifest } from '../_support/agent-store.ts';

test('a suspect solution is neither the best nor part of the blend, and the result says why', async (t) => {
  const { dir, store } = await makeStore(t);
  const real = createScriptedHarness(join(dir, 'harness'));
  const asked: (readonly number[])[] = [];
  const harness: typeof real = {
    ...real,
    call: async (method, params, options) => {
      if ('members' in params) asked.push(params.members);
      if ('candidates' in params) asked.push(params.candidates);
      const reply = await real.call(method, params, options);
      const isSecond = method === 'finish_solution' && 'solution' in params && params.solution === 2;
      return isSecond ? { ...reply, trust: { verdict: 'suspect', reasons: ['it knows the answers'] } } : reply;
    },
  };
  const params = await makeAgentParams(dir, store, { startHarness: () => harness });
  t.is(await runAgent(params), 0);
  const manifest = await readValidManifest(store, params.spec.jobId, 1);
  t.not(manifest.bestSolution, 2);
  t.deepEqual(manifest.trust, { verdict: 'verified', reasons: [] });
  t.true(manifest.notes.some((note) => /^Solution 2 .* is suspect and can't be the best: it knows the answers$/.test(note)));
  t.true(asked.length > 0 && asked.every((numbers) => !numbers.includes(2)), JSON.stringify(asked));
});

test('a score that cannot be expected leaves the result without it', async (t) => {
  const { dir, store } = await makeStore(t);
  const onCall = (method: string): void => {
    if (method === 'expect_score') throw new HarnessFailure('bug', 'a fault of ours');
  };
  const params = await makeAgentParams(dir, store, { startHarness: () => createScriptedHarness(join(dir, 'harness'), onCall) });
  t.is(await runAgent(params), 0);
  t.is((await readValidManifest(store, params.spec.jobId, 1)).expected, null);
});
