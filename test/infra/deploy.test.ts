import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { judgeReadiness, WatchedObject } from '../../scripts/deploy/readiness.ts';
import { makeTempDir } from '#test/_support/kaggle-stand-in.ts';
import { DeployRefusal, openKubectl } from '../../scripts/deploy/kubectl.ts';
import { PROJECT_DIR, readOptions } from '../../scripts/deploy/options.ts';

const MAIN = join(PROJECT_DIR, 'scripts/deploy/main.ts');
const CRDS = ['services.serving', 'brokers.eventing', 'triggers.eventing', 'apiserversources.sources', 'pingsources.sources'].map(
  (name) => `crd/${name}.knative.dev`,
);

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A program in kubectl's place: it notes how it was called, remembers the Secrets that it was given, and answers as a cluster where all is ready.
 * Whether a real cluster takes what we send is what test/cluster shows.
 */
async function fakeKubectl(
  t: ExecutionContext,
  crds: readonly string[],
): Promise<{ run: (args: readonly string[]) => Promise<Ended>; calls: () => Promise<{ args: string[]; input: string }[]> }> {
  const dir = await makeTempDir(t);
  const program = join(dir, 'kubectl');
  const log = join(dir, 'calls');
  const service = {
    kind: 'Service',
    metadata: { name: 'submit', generation: 1 },
    status: { conditions: [{ type: 'Ready', status: 'True' }], url: 'http://submit.example' },
  };
  await writeFile(
    program,
    `#!${process.execPath}
import fs from 'node:fs';
const args = process.argv.slice(2);
const input = fs.readFileSync(0, 'utf8');
fs.appendFileSync(${JSON.stringify(log)}, JSON.stringify({ args, input }) + '\\n');
const name = args[2];
const place = (secret) => ${JSON.stringify(`${dir}/secret-`)} + secret;
if (args[0] === 'get' && args[1] === 'customresourcedefinitions') console.log(${JSON.stringify(crds.join('\n'))});
else if (args[0] === 'get' && args[1] === 'secret') {
  if (!fs.existsSync(place(name))) { console.error('Error from server (NotFound): secrets "' + name + '" not found'); process.exit(1); }
  const values = JSON.parse(fs.readFileSync(place(name), 'utf8')).stringData;
  console.log(JSON.stringify({ data: Object.fromEntries(Object.entries(values).map(([k, v]) => [k, Buffer.from(v).toString('base64')])) }));
} else if (args[0] === 'create') fs.writeFileSync(place(JSON.parse(input).metadata.name), input);
else if (args[0] === 'get') console.log(${JSON.stringify(JSON.stringify({ items: [service] }))});
`,
  );
  await chmod(program, 0o700);
  return {
    run: (args) =>
      new Promise((resolve) => {
        const env = { ...process.env, KUBECTL: program };
        execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      }),
    calls: async () =>
      (await readFile(log, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
  };
}

test('installing makes the Secrets once, and no argument shows what is in them', async (t) => {
  const { run, calls } = await fakeKubectl(t, CRDS);
  const first = await run(['--overlay', 'dev']);
  t.is(first.code, 0, first.stderr);
  t.deepEqual(JSON.parse(first.stdout.trim().split('\n').at(-1) ?? '').urls, { submit: 'http://submit.example' });
  const made = (await calls()).filter(({ args }) => args[0] === 'create');
  const secrets = new Map(made.map(({ input }) => [JSON.parse(input).metadata.name, JSON.parse(input).stringData]));
  t.deepEqual(
    [...secrets.keys()],
    ['plane-key', 'database-passwords', 'database-owner', 'database-writer', 'database-reader', 'kaggle-credentials'],
  );
  const { owner, writer, reader } = secrets.get('database-passwords');
  t.is(new Set([owner, writer, reader, secrets.get('plane-key').key]).size, 4);
  t.is(new URL(secrets.get('database-reader').url).password, reader);
  const everyArgument = JSON.stringify((await calls()).map(({ args }) => args));
  for (const word of [owner, writer, reader, secrets.get('plane-key').key]) {
    t.false(everyArgument.includes(word));
    t.false(`${first.stdout}${first.stderr}`.includes(word));
  }
  t.is((await run(['--overlay', 'dev'])).code, 0);
  t.is((await calls()).filter(({ args }) => args[0] === 'create').length, made.length, 'the second time there is nothing to make');
});

test('a cluster without Knative Eventing is refused in one line, before anything is changed', async (t) => {
  const { run, calls } = await fakeKubectl(t, CRDS.slice(0, 1));
  const { code, stderr, stdout } = await run(['--overlay', 'dev']);
  t.is(code, 1);
  t.regex(stderr, /^The cluster lacks Knative Eventing \(brokers\.eventing.*\. Install it, then deploy again\.\n$/);
  t.is(JSON.parse(stdout).ok, false);
  t.is((await calls()).length, 1);
});

test('production names every Secret that a person must make, and applies nothing without them', async (t) => {
  const { run, calls } = await fakeKubectl(t, CRDS);
  const { code, stderr } = await run(['--overlay', 'production']);
  t.is(code, 1);
  t.regex(stderr, /plane\/database-owner \(key url\).*plane\/api-keys \(key keys\).*runs\/kaggle-credentials.*docs\/install\.md/);
  t.false((await calls()).some(({ args }) => args[0] === 'create' || JSON.stringify(args).includes('overlays')));
});

test('removing deletes the overlay and waits for its namespaces', async (t) => {
  const { run, calls } = await fakeKubectl(t, CRDS);
  t.is((await run(['--overlay', 'dev', '--remove'])).code, 0);
  t.deepEqual(
    (await calls()).map(({ args }) => args.slice(0, 2).join(' ')),
    ['delete --kustomize', 'wait namespace/plane', 'wait namespace/runs'],
  );
});

/** A kubectl that fails its first calls with the given words, and counts them all. */
async function makeFailingKubectl(t: ExecutionContext, params: { readonly failures: number; readonly words: string }) {
  const dir = await makeTempDir(t);
  const [program, log] = [join(dir, 'kubectl'), join(dir, 'calls')];
  await writeFile(
    program,
    `#!${process.execPath}
const fs = require('node:fs');
fs.appendFileSync(${JSON.stringify(log)}, 'x');
if (fs.readFileSync(${JSON.stringify(log)}, 'utf8').length > ${params.failures}) process.exit(0);
console.error(${JSON.stringify(params.words)});
process.exit(1);
`,
  );
  await chmod(program, 0o700);
  return { program, countCalls: async () => (await readFile(log, 'utf8')).length };
}

const NO_WEBHOOK =
  'Error from server (InternalError): error when creating "x": Internal error occurred: failed calling webhook "validation.webhook.eventing.knative.dev": connection refused';

test('a cluster whose webhook is away for a moment is asked again', async (t) => {
  const { program, countCalls } = await makeFailingKubectl(t, { failures: 2, words: NO_WEBHOOK });
  const lines: string[] = [];
  const kubectl = openKubectl(program, [], { pauseMs: 1, log: (line) => void lines.push(line) });
  await kubectl.run(['apply', '--kustomize', 'x']);
  t.is(await countCalls(), 3);
  t.is(lines.length, 2);
  t.regex(lines[0] ?? '', /^the cluster is busy, asking again: .*failed calling webhook/);
});

test('a cluster that stays busy, a call that must not be made twice, and a refusal are told at once or in the end', async (t) => {
  for (const [verb, words, patienceMs, calls] of [
    ['apply', NO_WEBHOOK, 0, 1],
    ['create', NO_WEBHOOK, 60_000, 1],
    ['apply', 'Error from server (Forbidden): no', 60_000, 1],
  ] as const) {
    const { program, countCalls } = await makeFailingKubectl(t, { failures: 99, words });
    const kubectl = openKubectl(program, [], { pauseMs: 1, patienceMs });
    await t.throwsAsync(kubectl.run([verb, 'x']), { instanceOf: DeployRefusal, message: /Error from server/ });
    t.is(await countCalls(), calls, verb);
  }
});

for (const [args, words] of [
  [[], /Which overlay\? Give --overlay dev or --overlay production/],
  [['--overlay', 'nowhere'], /There is no overlay "nowhere".*There are: dev, production/],
  [['--overlay', 'dev', '--timeout', 'soon'], /--timeout soon is not a whole number/],
  [['--overlay', 'dev', '--tag', 'a b'], /--tag a b is not possible/],
  [['--overlay', 'dev', '--sudo'], /--sudo[^]*npm run deploy -- --overlay dev/],
] as const) {
  test(`"deploy ${args.join(' ')}" is refused with what to do`, (t) => {
    t.throws(() => readOptions(args), { message: words });
  });
}

for (const [title, object, state, reason] of [
  [
    'a Deployment whose pods are there',
    {
      kind: 'Deployment',
      metadata: { generation: 2 },
      spec: { replicas: 1 },
      status: { observedGeneration: 2, updatedReplicas: 1, availableReplicas: 1 },
    },
    'ready',
    /ready/,
  ],
  [
    'a Deployment whose new pod is missing',
    { kind: 'Deployment', metadata: { generation: 2 }, spec: { replicas: 1 }, status: { observedGeneration: 2, availableReplicas: 1 } },
    'waiting',
    /pods/,
  ],
  ['a Deployment that nobody has looked at', { kind: 'Deployment', metadata: { generation: 1 } }, 'waiting', /0 of 1/],
  [
    'a Service that was ready before its change',
    { kind: 'Service', metadata: { generation: 2 }, status: { observedGeneration: 1, conditions: [{ type: 'Ready', status: 'True' }] } },
    'waiting',
    /not seen/,
  ],
  [
    'a Trigger without a subscriber',
    {
      kind: 'Trigger',
      metadata: {},
      status: { conditions: [{ type: 'Ready', status: 'False', reason: 'NoAddress', message: 'no\naddress' }] },
    },
    'waiting',
    /^NoAddress: no address$/,
  ],
  ['a Job that is done', { kind: 'Job', metadata: {}, status: { conditions: [{ type: 'Complete', status: 'True' }] } }, 'ready', /ready/],
  [
    'a Job that failed',
    { kind: 'Job', metadata: {}, status: { conditions: [{ type: 'Failed', status: 'True', reason: 'BackoffLimitExceeded' }] } },
    'failed',
    /BackoffLimitExceeded/,
  ],
] as const) {
  test(`${title} is ${state}`, (t) => {
    const judged = judgeReadiness(WatchedObject.parse({ ...object, metadata: { name: 'x', ...object.metadata } }));
    t.is(judged.state, state);
    t.regex(judged.reason, reason);
  });
}
