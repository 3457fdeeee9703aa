/** A control plane as a process of its own, for tests that kill it. Settings come as JSON in PLANE_SETTINGS; says `ready <url>` on stdout. */
import { z } from 'zod';
import { CRASH_POINTS, armCrashPoint } from './_crash-points.ts';
import type { CrashPointName } from './_crash-points.ts';
import { startLocalPlane } from '#local/plane.ts';

const Settings = z.object({
  dataDir: z.string(),
  databaseUrl: z.string().nullable(),
  cap: z.int(),
  tickMs: z.int(),
  launchLeaseMs: z.int(),
  agentEntry: z.string(),
  crashPoint: z.string().nullable(),
  dropEvents: z.boolean(),
});
export type PlaneSettings = z.infer<typeof Settings>;

const settings = Settings.parse(JSON.parse(process.env['PLANE_SETTINGS'] ?? '{}'));
const isKnown = (name: string): name is CrashPointName => Object.hasOwn(CRASH_POINTS, name);
const { crashPoint } = settings;
if (crashPoint !== null && !isKnown(crashPoint)) throw new Error(`no crash point "${crashPoint}"`);
const drop = settings.dropEvents ? { faults: { intake: { drop: 1 }, signals: { drop: 1 } } } : {};
const plane = await startLocalPlane({
  dataDir: settings.dataDir,
  port: 0,
  cap: settings.cap,
  tickMs: settings.tickMs,
  launchLeaseMs: settings.launchLeaseMs,
  outboxLeaseMs: settings.launchLeaseMs,
  logLevel: 'info',
  agent: { entry: settings.agentEntry },
  ...(settings.databaseUrl !== null && { databaseUrl: settings.databaseUrl }),
  ...drop,
  ...(crashPoint !== null && {
    wrapPorts: (ports) =>
      armCrashPoint(ports, CRASH_POINTS[crashPoint], () => {
        process.kill(process.pid, 'SIGKILL');
        // The signal is on its way: nothing may run until it is here.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      }),
  }),
});
process.stdout.write(`ready ${plane.url}\n`);
process.on('SIGTERM', () => void plane.close({ endAttempts: true }).then(() => process.exit(0)));
