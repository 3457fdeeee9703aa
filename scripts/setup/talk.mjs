// What set-up says. Everything goes to stderr: stdout belongs to the program that is started afterwards.

/** A refusal that a person can act on: one line saying what is missing and how to get it. Shown without a stack. */
export class SetupRefusal extends Error {
  name = 'SetupRefusal';
}

/** Prints one line on stderr. */
export function say(line) {
  process.stderr.write(`set-up: ${line}\n`);
}

/** Runs one step: says that it begins, that it goes on (every 15 s), and how long it took. Passes on what the work throws. */
export async function runTimedStep(title, work) {
  const startedAt = performance.now();
  const elapsed = () => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  say(`${title} …`);
  const heartbeat = setInterval(() => say(`${title}: still working, ${elapsed()}`), 15_000);
  try {
    const result = await work();
    say(`${title}: done, ${elapsed()}`);
    return result;
  } finally {
    clearInterval(heartbeat);
  }
}
