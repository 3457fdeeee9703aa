import test from 'ava';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { killTree, listTree, measureMemory } from '#agent/sandbox/process-tree.ts';

const CHILDREN = 30;

test('a tree is listed whole, or until its tasks are too many; its memory is that of all its members', async (t) => {
  const parent = spawn('sh', ['-c', `for n in $(seq ${CHILDREN}); do sleep 60 & done; echo ready; wait`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(parent, 'exit');
  await once(parent.stdout, 'data');
  const pid = parent.pid ?? 0;
  try {
    const members = await listTree(pid);
    t.is(members.length, CHILDREN + 1);
    // One more than the limit is enough to know that it is passed.
    t.is((await listTree(pid, 10)).length, 11);
    t.true((await measureMemory(members)) > (await measureMemory(members.slice(0, 1))));
    t.true((await measureMemory(members, true)) > 0);
  } finally {
    await killTree(pid);
    await exited;
  }
});
