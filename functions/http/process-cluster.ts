import { AGENT_GRACE_MS, AGENT_LIMITS, buildAgentCommand } from '#adapters/cluster/process/agent-command.ts';
import { createHttpSink } from '#adapters/broker/http-sink.ts';
import { createProcessRunner } from '#adapters/cluster/process/runner.ts';
import type { FunctionConfig } from './config.ts';
import type { Logger } from '#core/ports.ts';
import type { ProcessRunner } from '#adapters/cluster/process/runner.ts';

const HINT_TIMEOUT_MS = 3_000;

/**
 * The cluster of functions that run as processes of one machine: attempts live in `dir`, which any number of functions may
 * use at once; changes are hinted to the signals broker. Throws naming the setting that is missing.
 */
export function openProcessCluster(config: FunctionConfig, dir: string, logger: Logger): ProcessRunner {
  const signalsUrl = config.require('signalsUrl');
  const sink = createHttpSink({ url: signalsUrl });
  const { entry, ...agent } = config.agent;
  const { gcsEndpoint } = config.storageOptions;
  return createProcessRunner({
    dir,
    command: buildAgentCommand({
      ...agent,
      storageUrl: config.require('storageUrl'),
      signalsUrl,
      ...(entry !== null && { entry }),
      ...(gcsEndpoint !== undefined && { extraEnv: { KAGGLE_AGENT_GCS_ENDPOINT: gcsEndpoint } }),
    }),
    limits: AGENT_LIMITS,
    graceMs: AGENT_GRACE_MS,
    onChange: (event) => {
      sink.send(event, { timeoutMs: HINT_TIMEOUT_MS }).catch((error: unknown) => {
        logger.warn({ event_id: event.id, error: String(error) }, 'a hint was lost; the tick finds what it said');
      });
    },
    logger,
  });
}
