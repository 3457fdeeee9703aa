import type { ExitClass } from '#agent/sandbox/sandbox.ts';

/** A program that uses up something, and the ends that are right for it. */
export interface Ending {
  readonly name: string;
  readonly program: string;
  /** How it may end; anything else got through. */
  readonly ends: readonly ExitClass[];
  /** The layer whose doing that is. */
  readonly layer: string;
  readonly timeoutMs?: number;
}

const SHORT_MS = 6_000;
/** Long enough for a program on a slow, busy machine to get to the limit that it shall meet. */
const BUSY_MS = 90_000;

/** Programs that use up time, memory, tasks, disk or output, and such that do not want to end. */
export const ENDINGS: readonly Ending[] = [
  { name: 'endless computing', program: 'while True: pass', ends: ['timeout'], layer: 'time limit', timeoutMs: 1_500 },
  {
    name: 'sleeping for ever',
    program: 'import time\nwhile True: time.sleep(9)',
    ends: ['timeout'],
    layer: 'time limit',
    timeoutMs: 1_500,
  },
  {
    name: 'ignoring the request to end',
    program: 'import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except OSError: pass\nwhile True: pass',
    ends: ['timeout'],
    layer: 'time limit',
    timeoutMs: 1_500,
  },
  { name: '100 GB at once', program: 'bytearray(100 << 30)', ends: ['oom'], layer: 'memory limit' },
  {
    name: 'memory bit by bit',
    program: 'import time\nkept = []\nwhile True:\n    kept.append(bytearray(b"x" * (20 << 20)))\n    time.sleep(0.02)',
    ends: ['oom'],
    layer: 'memory limit',
    timeoutMs: BUSY_MS,
  },
  { name: 'a file of 1 TB', program: 'open("big", "wb").truncate(1 << 40)', ends: ['disk'], layer: 'file limit' },
  {
    name: 'a full disk',
    program: 'import time\nfor n in range(40):\n    open(str(n), "wb").write(bytes(4 << 20))\n    time.sleep(0.05)\ntime.sleep(90)',
    ends: ['disk'],
    layer: 'disk limit',
    timeoutMs: BUSY_MS,
  },
  {
    name: 'a million files',
    program: 'import time\nfor n in range(1_000_000): open(str(n), "w").close()',
    ends: ['disk'],
    layer: 'disk limit',
    timeoutMs: BUSY_MS,
  },
  {
    name: 'a million threads',
    program: 'import threading, time\nfor _ in range(1_000_000): threading.Thread(target=time.sleep, args=(120,), daemon=True).start()',
    ends: ['killed', 'crashed', 'oom'],
    layer: 'task limit',
    timeoutMs: BUSY_MS,
  },
  {
    name: 'a fork bomb',
    // Bounded and slow enough that a machine whose sandbox lets it through survives the proof.
    program: 'import os, time\nfor _ in range(700):\n    if os.fork() == 0: time.sleep(120)\n    time.sleep(0.005)\ntime.sleep(90)',
    // Each copy counts its memory: either limit may be the first.
    ends: ['killed', 'crashed', 'blocked', 'oom'],
    layer: 'task limit',
    timeoutMs: BUSY_MS,
  },
  {
    name: 'a million open files',
    program: 'kept = [open("/dev/null") for _ in range(1_000_000)]',
    ends: ['crashed'],
    layer: 'file limit',
    timeoutMs: SHORT_MS,
  },
  { name: 'a core dump', program: 'import os\nos.abort()', ends: ['crashed'], layer: 'file limit' },
];

/** What a daemon calls itself; it must be gone after the run. */
export const DAEMON_WORD = 'kaggle-agent-attack-daemon';

/** Programs that leave something behind, with a good end of their own. `WORD` becomes the daemon's argument. */
export const DAEMONS: readonly { readonly name: string; readonly program: string }[] = [
  {
    name: 'a double fork with a session of its own and no environment',
    program: `import os, signal
reader, writer = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.close(1)
        os.close(2)
        os.execve('/bin/sh', ['sh', '-c', 'sleep 120; :', 'WORD'], {})
    os._exit(0)
os.wait()
os.close(writer)
os.read(reader, 1)`,
  },
  {
    name: 'a child that holds the output open',
    program: `import os
reader, writer = os.pipe()
if os.fork() == 0:
    os.execve('/bin/sh', ['sh', '-c', 'sleep 120; :', 'WORD'], {})
os.close(writer)
os.read(reader, 1)`,
  },
];
