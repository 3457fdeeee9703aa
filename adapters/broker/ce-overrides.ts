import { z } from 'zod';

const Overrides = z.object({ extensions: z.record(z.string().regex(/^[a-z0-9]{1,20}$/), z.string()).default({}) });

/** Extension attributes from the text of K_CE_OVERRIDES. Throws an Error that says what it must be. */
export function parseOverrides(text: string | undefined): Readonly<Record<string, string>> {
  if (text === undefined || text.trim() === '') return {};
  try {
    return Overrides.parse(JSON.parse(text)).extensions;
  } catch (error) {
    throw new Error('K_CE_OVERRIDES must be JSON like {"extensions": {"name": "value"}}, with names of lower-case letters and digits.', {
      cause: error,
    });
  }
}
