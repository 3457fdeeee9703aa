import { Anthropic } from '@anthropic-ai/sdk';
import type { LanguageModel, ModelReply, ModelRequest, ModelUsage } from '#core/language-model.ts';
import { toModelError } from './errors.ts';

/** How the API is reached. Nothing is read from the environment. */
export interface ClaudeOptions {
  readonly apiKey: string;
  /** Another address than Anthropic's own. */
  readonly baseUrl?: string;
}

/** Claude through its Messages API: streamed, with a schema for the reply, system blocks marked for caching, and no retries. */
export function createClaude({ apiKey, baseUrl }: ClaudeOptions): LanguageModel {
  const client = new Anthropic({
    apiKey,
    authToken: null,
    credentials: null,
    config: null,
    profile: null,
    webhookKey: null,
    baseURL: baseUrl ?? 'https://api.anthropic.com',
    maxRetries: 0,
    logLevel: 'off',
  });
  return {
    async countTokens(request, { signal, timeoutMs }) {
      const { model, system, messages } = writeInput(request);
      try {
        const counted = await client.messages.countTokens({ model, system, messages }, { signal, timeout: timeoutMs, maxRetries: 0 });
        return counted.input_tokens;
      } catch {
        return null;
      }
    },
    async ask(request, { signal, timeoutMs }) {
      let hasBegun = false;
      try {
        const stream = client.messages.stream(
          {
            ...writeInput(request),
            max_tokens: request.maxTokens,
            thinking: { type: 'adaptive' },
            output_config: { effort: request.effort, format: { type: 'json_schema', schema: { ...request.schema } } },
          },
          { signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), timeout: timeoutMs, maxRetries: 0 },
        );
        stream.on('streamEvent', () => {
          hasBegun = true;
        });
        return readReply(await stream.finalMessage());
      } catch (error) {
        throw toModelError(error, { hasBegun });
      }
    },
  };
}

function writeInput({ model, system, user, keepFor }: ModelRequest) {
  const cache = { type: 'ephemeral' as const, ttl: keepFor };
  return {
    model,
    system: system.map((text) => ({ type: 'text' as const, text, cache_control: cache })),
    messages: [{ role: 'user' as const, content: user }],
  };
}

const ENDS: Readonly<Record<string, ModelReply['end']>> = { end_turn: 'complete', stop_sequence: 'complete', refusal: 'refused' };

function readReply({ content, stop_reason: reason, usage }: Anthropic.Message): ModelReply {
  const text = content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');
  return { text, end: ENDS[reason ?? ''] ?? 'cut', usage: readUsage(usage) };
}

function readUsage(usage: Anthropic.Usage): ModelUsage {
  const written = usage.cache_creation_input_tokens ?? 0;
  const forAnHour = usage.cache_creation?.ephemeral_1h_input_tokens ?? 0;
  return {
    input: usage.input_tokens,
    cacheWrite5m: Math.max(0, written - forAnHour),
    cacheWrite1h: forAnHour,
    cacheRead: usage.cache_read_input_tokens ?? 0,
    output: usage.output_tokens,
  };
}
