import { randomInt } from 'node:crypto';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Sandbox } from '#agent/sandbox/sandbox.ts';
import type { AttackPlace } from './place.ts';
import type { AttackResult } from './programs-suite.ts';
import { makeAttackRun, readProgram } from './place.ts';

const SECONDS = 3;
const Heard = z.object({ heard: z.record(z.string(), z.number()), tried: z.number(), start: z.number(), end: z.number() });

/** Two runs at once that tell each other a word in every way they know. What one hears of the other got through. */
export async function runStrangers(sandbox: Sandbox, place: AttackPlace): Promise<AttackResult[]> {
  const program = await readProgram(place, 'strangers.py');
  const name = `kaggle-agent-strangers-${randomInt(1e9)}`;
  // A place that nothing in the product gives to two runs: what a shared file's times would tell.
  const common = join(place.folders.runsDir, 'common');
  await mkdir(common, { recursive: true });
  for (const who of ['a', 'b']) {
    const path = join(common, `time-${who}-${name}`);
    await writeFile(path, 'x');
    await utimes(path, 1, 2);
  }
  const [port, otherPort] = [20_000 + randomInt(10_000), 31_000 + randomInt(1_000)];
  const key = 1 + randomInt(2 ** 30);
  const given = { name, key, common, seconds: SECONDS };
  const a = await makeAttackRun(place, program, {});
  const b = await makeAttackRun(place, program, {});
  const [wordA, wordB] = [`a-${name}`, `b-${name}`];
  const orders = [
    { run: a, given: { ...given, me: wordA, other: wordB, other_out: b.order.outDir, port, other_port: otherPort } },
    { run: b, given: { ...given, me: wordB, other: wordA, other_out: a.order.outDir, port: otherPort, other_port: port } },
  ];
  for (const { run, given: more } of orders) await writeFile(run.order.paramsFile, JSON.stringify({ ...place.given, ...more }));
  const outcomes = await Promise.all(orders.map(async ({ run }) => sandbox.run(run.order)));
  const heard = await Promise.all(
    orders.map(async ({ run }) =>
      Heard.parse(
        JSON.parse(await readFile(join(run.order.outDir, 'heard.json'), 'utf8').catch(() => '{"heard":{},"tried":0,"start":0,"end":0}')),
      ),
    ),
  );
  const overlap = Math.min(...heard.map(({ end }) => end)) - Math.max(...heard.map(({ start }) => start));
  const channels = new Set(heard.flatMap((one) => Object.keys(one.heard)));
  const bytes = heard.reduce((sum, one) => sum + Object.values(one.heard).reduce((left, right) => left + right, 0), 0);
  const tried = Math.min(...heard.map((one) => one.tried));
  if (tried === 0 || overlap <= 0.5) {
    const why = outcomes.map(({ exitClass, tail }) => `${exitClass} ${tail.slice(-200)}`).join(' | ');
    return [{ attack: 'strangers: carried out', through: true, stoppedBy: `they did not meet: ${why}`, ms: 0 }];
  }
  const stoppedBy = bytes === 0 ? `0 bytes over ${tried} channels` : `OPEN: ${bytes} bytes over ${[...channels].join(', ')}`;
  return [{ attack: 'strangers: two runs that tell each other a word', through: bytes > 0, stoppedBy, ms: SECONDS * 1000 }];
}
