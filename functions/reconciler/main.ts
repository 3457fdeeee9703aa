import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import { createReconcilerApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { openPlane } from '../http/open-plane.ts';
import { readFunctionConfig } from '../http/config.ts';

const TIME_BOX_MS = 50_000;
const LAUNCHER_TIMEOUT_MS = 60_000;

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: false });
  const launcherUrl = config.require('launcherUrl').replace(/\/+$/, '');
  const { ports, close } = await openPlane(config, 'reconciler');
  await runFunction({
    config,
    logger: ports.logger,
    build: (http) =>
      createReconcilerApp({
        ...ports,
        http,
        config: { policy: DEFAULT_POLICY },
        timeBoxMs: TIME_BOX_MS,
        retentionDays: config.retentionDays,
        wakeLauncher: () => wakeLauncher(`${launcherUrl}/tick`),
      }),
    close,
  });
}

async function wakeLauncher(url: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', signal: AbortSignal.timeout(LAUNCHER_TIMEOUT_MS) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the launcher answered ${response.status}`);
}

main().catch(exitWithReason);
