import { fileURLToPath } from 'node:url';

/** The Python interpreter for tests: the product's own environment, unless KAGGLE_AGENT_PYTHON names another. */
export const PYTHON = process.env['KAGGLE_AGENT_PYTHON'] ?? fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
