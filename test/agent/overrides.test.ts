import { join } from 'node:path';
import test from 'ava';
import { runAgent } from '#agent/run.ts';
import { createScriptedHarness, makeAgentParams, makeSpec } from '../_support/agent-parts.ts';
import { makeStore } from '../_support/agent-store.ts';

test('what the caller says of the task, and what its volume holds, reach the harness', async (t) => {
  const { dir, store } = await makeStore(t);
  const real = createScriptedHarness(join(dir, 'harness'));
  const asked: unknown[] = [];
  const harness: typeof real = {
    ...real,
    call: async (method, params, options) => {
      if (method === 'profile') asked.push(params);
      return real.call(method, params, options);
    },
  };
  const task = { shape: 'time', groupColumn: null, timeColumn: 'week', oneRowAtATime: true, allowDataLeaks: false } as const;
  t.is(await runAgent(await makeAgentParams(dir, store, { startHarness: () => harness, spec: makeSpec({ task }), stagingMib: 77 })), 0);
  t.is(asked.length, 1);
  t.like(asked[0], {
    wanted: { shape: 'time', group_column: null, time_column: 'week', one_row_at_a_time: true, allow_data_leaks: false },
    staging_mib: 77,
  });
});
