import pino from 'pino';
import type { Logger } from '#core/ports.ts';

/** Structured lines on `destination` (a file descriptor, or a path; stdout by default). Members that may hold a secret are cut out. */
export function createLogger(options: {
  readonly level: string;
  readonly service: string;
  readonly destination?: string | number;
}): Logger {
  const stream = pino.destination({ dest: options.destination ?? 1, mkdir: true, sync: true });
  return pino(
    {
      level: options.level,
      base: { service: options.service },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: ['token', 'password', 'authorization', '*.token', '*.password', '*.authorization'],
    },
    stream,
  );
}
