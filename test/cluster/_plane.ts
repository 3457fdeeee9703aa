import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import type { ApiClient } from '#adapters/cluster/kubernetes/api-client.ts';
import { openApiClient } from '#adapters/cluster/kubernetes/api-client.ts';
import { createGcsStore } from '#adapters/storage/gcs.ts';
import type { ArtifactStore } from '#core/ports.ts';
import { JobView } from '#core/responses.ts';
import { waitUntil } from '#test/_support/wait-until.ts';
import type { Answer } from './_ingress.ts';
import { callIngress } from './_ingress.ts';
import { forwardPort, kubectl } from './_kubectl.ts';
import { requireSetting } from './_harness.ts';

const DEPLOY = join(import.meta.dirname, '../../scripts/deploy/main.ts');
const BUCKET = 'kaggle-agent-dev';
const JOB_PATIENCE_MS = 400_000;
const Deployed = z.object({ urls: z.object({ submit: z.string(), status: z.string(), result: z.string() }) });
const SecretData = z.object({ data: z.object({ url: z.string() }) });

/** The overlay `dev`, installed, with ways to what lies behind its doors. */
export interface DeployedPlane {
  readonly urls: z.infer<typeof Deployed>['urls'];
  readonly api: ApiClient;
  /** The ledger, as its owner. */
  readonly databaseUrl: string;
  /** The bucket. */
  readonly artifacts: ArtifactStore;
  submit(body: Readonly<Record<string, unknown>>): Promise<string>;
  cancel(id: string): Promise<Answer>;
  readJob(id: string, waitS?: number): Promise<JobView>;
  /** Waits for the end of a job. */
  waitForEnd(id: string): Promise<JobView>;
  /** Waits until a job is as wanted; fails saying how it is. */
  waitForJob(id: string, what: string, isSo: (job: JobView) => boolean): Promise<JobView>;
  /** Closes the ways in; the overlay stays. */
  close(): Promise<void>;
}

/** Runs the installer as a person does; the last line of stdout is its result. */
export async function runDeploy(args: readonly string[]): Promise<unknown> {
  const child = spawn(process.execPath, [DEPLOY, '--overlay', 'dev', '--kubeconfig', requireSetting('KUBECONFIG'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (code !== 0) throw new Error(`the installer ended with ${code}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? 'null');
}

/** Installs the overlay and opens the ways in. */
export async function deployPlane(): Promise<DeployedPlane> {
  const { urls } = Deployed.parse(await runDeploy([]));
  const api = await openApiClient({ kubeconfig: requireSetting('KUBECONFIG'), timeoutMs: 10_000 });
  const [postgres, gcs] = await Promise.all([forwardPort('postgres', 5432), forwardPort('gcs', 4443)]);
  const secret = SecretData.parse(
    JSON.parse(await kubectl(['get', 'secret', 'database-owner', '--namespace', 'plane', '--output', 'json'])),
  );
  const database = new URL(Buffer.from(secret.data.url, 'base64').toString('utf8').trim());
  database.host = `127.0.0.1:${postgres.port}`;
  const readJob = (id: string, waitS = 20) => readStatus(urls.status, id, waitS);
  const waitForJob = async (id: string, what: string, isSo: (job: JobView) => boolean) => {
    let last: JobView | null = null;
    const ask = async () => {
      last = await readJob(id, 5);
      return isSo(last) && last;
    };
    return waitUntil(what, ask, JOB_PATIENCE_MS).catch((error: unknown) => {
      throw new Error(`${String(error)}; the job is ${last?.status}, attempt ${last?.attempt}: ${last?.reason}`, { cause: error });
    });
  };
  return {
    urls,
    api,
    databaseUrl: database.href,
    artifacts: createGcsStore({ bucket: BUCKET, prefix: '', apiEndpoint: `http://127.0.0.1:${gcs.port}` }),
    submit: (body) => submitJob(urls.submit, body),
    cancel: (id) => callIngress({ address: urls.submit, method: 'DELETE', path: `/jobs/${id}` }),
    readJob,
    waitForJob,
    waitForEnd: (id) => waitForJob(id, 'the job to end', (job) => job.completed_at !== null),
    close: async () => {
      api.close();
      await Promise.all([postgres.close(), gcs.close()]);
    },
  };
}

async function readStatus(address: string, id: string, waitS: number): Promise<JobView> {
  const answer = await callIngress({ address, path: `/status/${id}?wait=${waitS}` });
  if (answer.status !== 200) throw new Error(`GET /status answered ${answer.status}: ${answer.body.toString().slice(0, 300)}`);
  return JobView.parse(JSON.parse(answer.body.toString()));
}

async function submitJob(address: string, body: Readonly<Record<string, unknown>>): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const answer = await callIngress({ address, method: 'POST', path: '/run', headers, body: JSON.stringify(body) });
  if (answer.status !== 201) throw new Error(`POST /run answered ${answer.status}: ${answer.body.toString().slice(0, 300)}`);
  return z.object({ job_id: z.string() }).parse(JSON.parse(answer.body.toString())).job_id;
}

/** Body of a job whose agent is the stub of the test image; small, so that many fit on one node. */
export function stubJob(knobs: Readonly<Record<string, unknown>> = {}, timeLimitS = 600): Readonly<Record<string, unknown>> {
  return {
    kaggle_url: 'https://www.kaggle.com/competitions/stub',
    time_limit_s: timeLimitS,
    resources: { cpu: '100m', memory: '256Mi' },
    hint: JSON.stringify(knobs),
  };
}
