import { readFileSync } from 'node:fs';
import { DEFAULT_MODELS, ModelTable } from './prices.ts';

/** The models and their prices: of a JSON file in the form of `DEFAULT_MODELS`, or those. Throws an Error that names what is wrong in it. */
export function readModels(path: string | undefined): ModelTable {
  if (path === undefined) return DEFAULT_MODELS;
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`KAGGLE_AGENT_MODELS_FILE names ${path}, which ${error instanceof SyntaxError ? 'is not JSON' : "can't be read"}.`, {
      cause: error,
    });
  }
  const parsed = ModelTable.safeParse(value);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the table'}: ${issue.message}`).join('; ');
  throw new Error(`KAGGLE_AGENT_MODELS_FILE names ${path}, which is wrong: ${places}`);
}
