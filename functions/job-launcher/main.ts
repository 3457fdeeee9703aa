import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import { makeToken } from '#adapters/signing.ts';
import { sha256Hex } from '#adapters/hashing.ts';
import { createJobLauncherApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { openPlane } from '../http/open-plane.ts';
import { readFunctionConfig } from '../http/config.ts';

const LAUNCH_LEASE_MS = 60_000;
const LAUNCH_CONCURRENCY = 8;
/** Longer than any attempt may live. */
const TOKEN_LIFETIME_MS = 4 * 3_600_000;

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: false });
  const planeKey = config.require('planeKey');
  const { ports, close } = await openPlane(config, 'job-launcher', { createsJobs: true });
  const tokenEnd = () => new Date(Date.now() + TOKEN_LIFETIME_MS);
  await runFunction({
    config,
    logger: ports.logger,
    build: (http) =>
      createJobLauncherApp({
        ...ports,
        http,
        hash: sha256Hex,
        makeToken: (jobId, attempt) => makeToken(planeKey, jobId, attempt, tokenEnd()),
        config: { cap: config.cap, launchLeaseMs: LAUNCH_LEASE_MS, concurrency: LAUNCH_CONCURRENCY, policy: DEFAULT_POLICY },
      }),
    close,
  });
}

main().catch(exitWithReason);
