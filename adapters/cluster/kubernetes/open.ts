import type { JobRunner } from '#core/ports.ts';
import { openApiClient } from './api-client.ts';
import type { JobSettings } from './pod-settings.ts';
import { createKubernetesRunner } from './runner.ts';

const CALL_TIMEOUT_MS = 10_000;

export interface OpenKubernetesRunnerOptions {
  /** A kubeconfig's path; null = the service account of the pod that this runs in. */
  readonly kubeconfig: string | null;
  readonly namespace: string;
  readonly jobs: JobSettings | null;
  readonly readPods: boolean;
  /** Deadline of each call; default 10,000. */
  readonly timeoutMs?: number;
}

/** A runner with connections of its own; nothing is sent yet. Throws an Error that names the file or setting that is wrong. */
export async function openKubernetesRunner(options: OpenKubernetesRunnerOptions): Promise<JobRunner & { close(): Promise<void> }> {
  const { kubeconfig, timeoutMs = CALL_TIMEOUT_MS, ...rest } = options;
  const { batch, core, close } = await openApiClient({ kubeconfig, timeoutMs });
  return { ...createKubernetesRunner({ batch, core, ...rest }), close: async () => close() };
}
