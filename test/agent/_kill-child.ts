/** One attempt with the real grader and real runs, as a process that somebody kills, or whose parts somebody kills. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Recipe } from '#agent/search/recipes.ts';
import { JobSpec } from '#core/job-spec.ts';
import { createDirectoryStore } from '#adapters/storage/directory.ts';
import { createProcessSandbox } from '#agent/sandbox/process-sandbox.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { runAgent } from '#agent/run.ts';
import { startHarness } from '#agent/evaluate/harness-client.ts';
import { createScriptedKaggle, makeAgentParams } from '../_support/agent-parts.ts';
import { PYTHON } from '../_support/python.ts';

const Order = z.object({
  dir: z.string(),
  spec: JobSpec,
  bubblewrap: z.boolean(),
  sleepS: z.number(),
  files: z.record(z.string(), z.string()),
});
const order = Order.parse(JSON.parse(await readFile(process.argv[2] ?? '', 'utf8')));
const PRELUDE = new URL('dishonest/_prelude.py', import.meta.url);

/** Three programs that learn the same, with another weight of what they learned each. */
async function makePrograms(dir: string): Promise<Recipe[]> {
  await mkdir(dir, { recursive: true });
  const prelude = await readFile(PRELUDE, 'utf8');
  return Promise.all(
    [1, 2, 3].map(async (weight) => {
      const program = join(dir, `program-${weight}.py`);
      const body = `${prelude}\nimport time\nPARAMS = json.load(open(ARGUMENTS["--params"]))\nprint("learning", flush=True)\ntime.sleep(PARAMS["sleep"])\nanswer = learn()\nwrite([answer(row) * ${weight} / 3 + float(row["a"]) / ${40 * weight} for row in ROWS])\nprint("answered", flush=True)\n`;
      await writeFile(program, body);
      const name = `program-${weight}`;
      const suits = { targetTypes: ['binary'], modalities: ['tabular'], maxTrainRows: 1e6 };
      const sha256 = createHash('sha256').update(body).digest('hex');
      return {
        origin: 'built-in' as const,
        name,
        title: name,
        program,
        sha256,
        params: { sleep: order.sleepS },
        costRank: weight,
        ...suits,
      };
    }),
  );
}

const { confinement } = await probeConfinement(PYTHON);
if (confinement === null) throw new Error('runs cannot be confined here');
const sandbox = createProcessSandbox(PYTHON, order.bubblewrap ? confinement : { ...confinement, bubblewrap: null });
const plain = createScriptedKaggle('');
const competition = await plain.getCompetition('toy');
const params = await makeAgentParams(order.dir, createDirectoryStore({ root: join(order.dir, 'objects'), durable: false }), {
  spec: order.spec,
  sandbox,
  recipes: await makePrograms(join(order.dir, 'programs')),
  kaggle: {
    ...plain,
    getCompetition: async () => ({ ...competition, evaluationMetric: 'Area Under ROC Curve' }),
    listFiles: async () => Object.entries(order.files).map(([name, content]) => ({ name, bytes: content.length, createdAt: null })),
    unpack: async (_path, to) => {
      await mkdir(to, { recursive: true });
      for (const [name, content] of Object.entries(order.files)) await writeFile(join(to, name), content);
      return Object.entries(order.files).map(([path, content]) => ({ path, bytes: content.length }));
    },
  },
  startHarness: ({ threads, onLog }) => startHarness({ python: PYTHON, threads, onLog }),
  foldsAtOnce: 2,
  print: (line) => void process.stdout.write(`${line}\n`),
});
process.exitCode = await runAgent(params);
