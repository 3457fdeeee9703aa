import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import type { TestFn } from 'ava';
import { z } from 'zod';
import { waitUntil } from '#test/_support/wait-until.ts';
import { callIngress, openDoor } from '../_ingress.ts';
import { requireSetting } from '../_harness.ts';
import { runProgram } from '../_kubectl.ts';
import { stubJob } from '../_plane.ts';
import type { DeployedPlane } from '../_plane.ts';
import { setTicks } from '../_settings.ts';

const PROJECT_DIR = resolve(import.meta.dirname, '../../..');
const PATIENCE_MS = 420_000;
const Jobs = z.object({ jobs: z.array(z.object({ job_id: z.string() })), total: z.number() });

/** Work that comes by other ways than our own client. */
export function testProducers(test: TestFn, getPlane: () => DeployedPlane): void {
  test.serial('one CloudEvent, sent twice to the intake broker by the SDK of another language, is one job', async (t) => {
    t.timeout(PATIENCE_MS);
    const plane = getPlane();
    await setTicks(true);
    const python = join(PROJECT_DIR, '.setup/cloudevents-sdk/bin/python');
    const [source, id] = ['/test/python', randomUUID()];
    const args = [
      join(import.meta.dirname, '../send_event.py'),
      `${requireSetting('KAGGLE_AGENT_TEST_BROKER_URL')}/plane/intake`,
      source,
      id,
    ];
    for (const _ of [1, 2]) t.is((await runProgram(python, args, { input: JSON.stringify(stubJob()) })).trim(), '202');
    const query = new URLSearchParams({ request_source: source, request_id: id });
    const read = async () =>
      Jobs.parse(JSON.parse((await callIngress({ address: plane.urls.status, path: `/jobs?${query.toString()}` })).body.toString()));
    const found = await waitUntil('the job of the event', async () => {
      const page = await read();
      return page.total > 0 && page;
    });
    const [job] = found.jobs;
    t.is((await plane.waitForEnd(job?.job_id ?? '')).status, 'success');
    t.is((await read()).total, 1);
  });

  test.serial('our command line works as a plugin of kn, to the end of a job', async (t) => {
    t.timeout(PATIENCE_MS);
    const plane = getPlane();
    await setTicks(true);
    const urls: string[] = [];
    for (const [name, address] of Object.entries(plane.urls)) {
      const door = await openDoor(address);
      t.teardown(() => door.close());
      urls.push(`--${name}-url`, door.url);
    }
    const path = [join(PROJECT_DIR, 'cli/bin'), process.env['PATH'] ?? ''].join(delimiter);
    const size = ['--cpu', '100m', '--memory', '256Mi', '--hint', JSON.stringify({ steps: 1 })];
    const printed = await runKn(['kaggle', ...urls, 'submit', 'stub', ...size, '--wait'], { PATH: path });
    const [id = ''] = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(printed) ?? [];
    t.is((await plane.readJob(id)).status, 'success', printed);
  });
}

/** The files of knative/ as a person applies them, and what kn shows of the whole installation. */
export function testKn(test: TestFn): void {
  test.serial('kn applies each file of knative/, and shows services, brokers, triggers and sources ready', async (t) => {
    t.timeout(PATIENCE_MS);
    const files = (await readdir(join(PROJECT_DIR, 'knative'))).filter((name) => name !== 'kustomization.yaml').toSorted();
    for (const file of files) {
      await runKn(['service', 'apply', '--filename', join(PROJECT_DIR, 'knative', file), '--namespace', 'plane']);
    }
    const names = files.map((name) => name.replace(/\.yaml$/, ''));
    for (const [kind, expected] of [
      ['service', names],
      ['broker', ['intake', 'signals']],
      ['trigger', ['job-launcher', 'submit', 'collector']],
      ['source', ['tick', 'job-signals']],
    ] as const) {
      const lines = (await runKn([kind, 'list', '--namespace', 'plane'])).split('\n');
      const readyColumn = (lines[0] ?? '')
        .trim()
        .split(/\s{2,}/)
        .indexOf('READY');
      for (const name of expected) {
        const columns = lines
          .find((line) => line.startsWith(`${name} `))
          ?.trim()
          .split(/\s{2,}/);
        t.is(columns?.[readyColumn], 'True', `kn ${kind} list: ${name}\n${lines.join('\n')}`);
      }
      t.log(`kn ${kind} list: ${expected.join(', ')} ready`);
    }
  });
}

function runKn(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  return runProgram(requireSetting('KAGGLE_AGENT_TEST_KN'), args, { env: { ...process.env, ...env } });
}
