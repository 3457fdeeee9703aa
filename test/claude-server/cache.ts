import { createHash } from 'node:crypto';

/** A block of the prompt in the order in which the API reads it; `keepFor`: it may be kept up to here. */
export interface PromptBlock {
  readonly text: string;
  readonly keepFor: '5m' | '1h' | null;
}

/** Tokens of a prompt: read anew, written for later, and read from what was kept. */
export interface CacheUse {
  readonly input: number;
  readonly write5m: number;
  readonly write1h: number;
  readonly read: number;
}

const LIFE_MS = { '5m': 300_000, '1h': 3_600_000 };

/** The scripted server's idea of a token: four bytes, and never none. */
export function countTokens(text: string): number {
  return Math.max(1, Math.ceil(Buffer.byteLength(text) / 4));
}

/**
 * Prompt caching as the API documents it: exact prefixes up to marked blocks, per model, with a least length and a time to live that each
 * use renews. Made from the bytes of requests alone.
 */
export function createPromptCache(leastTokens = 1_024) {
  const kept = new Map<string, number>();
  return {
    use(model: string, blocks: readonly PromptBlock[], nowMs: number): CacheUse {
      const hash = createHash('sha256').update(model);
      const marks: { readonly key: string; readonly tokens: number; readonly keepFor: '5m' | '1h' }[] = [];
      let tokens = 0;
      for (const { text, keepFor } of blocks) {
        tokens += countTokens(text);
        hash.update(`\0${text}`);
        if (keepFor !== null && tokens >= leastTokens) marks.push({ key: hash.copy().digest('hex'), tokens, keepFor });
      }
      const hit = marks.findLast(({ key }) => (kept.get(key) ?? 0) > nowMs);
      const read = hit?.tokens ?? 0;
      let [write5m, write1h, from] = [0, 0, read];
      for (const mark of marks) {
        kept.set(mark.key, nowMs + LIFE_MS[mark.keepFor]);
        if (mark.tokens <= from) continue;
        if (mark.keepFor === '1h') write1h += mark.tokens - from;
        else write5m += mark.tokens - from;
        from = mark.tokens;
      }
      return { read, write5m, write1h, input: tokens - from };
    },
  };
}
