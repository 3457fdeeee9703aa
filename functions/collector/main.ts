import { DEFAULT_POLICY } from '#core/attempt-policy.ts';
import { verifyHint } from '#adapters/signing.ts';
import { createCollectorApp } from './app.ts';
import { exitWithReason, runFunction } from '../http/run-function.ts';
import { openPlane } from '../http/open-plane.ts';
import { readFunctionConfig } from '../http/config.ts';

async function main(): Promise<void> {
  const config = readFunctionConfig(process.env, { isPublic: false });
  const planeKey = config.require('planeKey');
  const { ports, close } = await openPlane(config, 'collector');
  await runFunction({
    config,
    logger: ports.logger,
    build: (http) =>
      createCollectorApp({
        ...ports,
        http,
        config: { policy: DEFAULT_POLICY },
        verifyHint: (hint) => verifyHint({ planeKey, ...hint, now: ports.clock.now() }),
      }),
    close,
  });
}

main().catch(exitWithReason);
