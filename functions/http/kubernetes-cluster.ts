import { readFileSync } from 'node:fs';
import { AGENT_COMMAND, RUNNER_COMMAND, parsePodSettings } from '#adapters/cluster/kubernetes/pod-settings.ts';
import type { JobSettings } from '#adapters/cluster/kubernetes/pod-settings.ts';
import { openKubernetesRunner } from '#adapters/cluster/kubernetes/open.ts';
import type { JobRunner } from '#core/ports.ts';
import type { ClusterSettings, FunctionConfig } from './config.ts';

/**
 * Attempts as Jobs of a Kubernetes namespace. Who creates them needs the image and the pods' settings, and has no right to look at pods; hints
 * come from the cluster's own event source. Throws naming the setting or file that is missing or wrong.
 */
export async function openKubernetesCluster(
  config: FunctionConfig,
  settings: Extract<ClusterSettings, { kind: 'kubernetes' }>,
  options: { readonly createsJobs: boolean },
): Promise<JobRunner & { close(): Promise<void> }> {
  const { namespace, kubeconfig, podSettingsFiles } = settings;
  const jobs = options.createsJobs ? readJobSettings(config.require('agentImage'), podSettingsFiles) : null;
  return openKubernetesRunner({ namespace, kubeconfig, jobs, readPods: !options.createsJobs });
}

function readJobSettings(image: string, files: readonly string[]): JobSettings {
  if (files.length === 0)
    throw new Error('KAGGLE_AGENT_POD_SETTINGS_FILE is missing: it names the JSON file (or files) with the settings of pods.');
  const pod = parsePodSettings(files.map((name) => ({ name, text: readText(name) })));
  return { image, pod, agentCommand: AGENT_COMMAND, runnerCommand: RUNNER_COMMAND };
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new Error(`KAGGLE_AGENT_POD_SETTINGS_FILE names ${path}, which can't be read.`);
  }
}
