import type { Socket } from 'node:net';
import type { z } from 'zod';

/** Calls `onMessage` with each line of a socket that fits the schema, `onFault` once with one sentence for the first that does not. */
export function readMessages<T extends z.ZodType>(
  socket: Socket,
  options: {
    readonly schema: T;
    readonly maxBytes: number;
    readonly onMessage: (message: z.output<T>) => void;
    readonly onFault: (fault: string) => void;
  },
): void {
  let parts: Buffer[] = [];
  let bytes = 0;
  let faulty = false;
  const fail = (fault: string): void => {
    faulty = true;
    parts = [];
    options.onFault(fault);
  };
  const take = (line: Buffer): void => {
    const parsed = options.schema.safeParse(parseJson(line));
    if (parsed.success) return options.onMessage(parsed.data);
    const places = parsed.error.issues.map((issue) => issue.path.join('.') || 'its form').slice(0, 5);
    fail(`a message is wrong in: ${places.join(', ')}`);
  };
  socket.on('data', (chunk: Buffer) => {
    let rest = chunk;
    for (let end = rest.indexOf(10); end >= 0 && !faulty; end = rest.indexOf(10)) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]);
      parts = [];
      bytes = 0;
      rest = rest.subarray(end + 1);
      if (line.length > options.maxBytes) return fail(`a message is longer than ${options.maxBytes} bytes`);
      take(line);
    }
    if (faulty) return;
    parts.push(rest);
    bytes += rest.length;
    if (bytes > options.maxBytes) fail(`a message is longer than ${options.maxBytes} bytes`);
  });
}

/** Writes one message as a line; nothing when the other side is gone. */
export function writeMessage(socket: Socket, message: object): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
}

function parseJson(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch {
    return null;
  }
}
