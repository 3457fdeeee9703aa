import { setTimeout as pause } from 'node:timers/promises';

/** Asks again and again until the answer is neither null, undefined nor false, and returns it. Throws after `timeoutMs`, naming `what`. */
export async function waitUntil<T>(what: string, ask: () => T | Promise<T>, timeoutMs = 60_000): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (isAnswer(answer)) return answer;
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await pause(20);
  }
}

function isAnswer<T>(answer: T): answer is NonNullable<Exclude<T, false>> {
  return answer !== null && answer !== undefined && answer !== false;
}
