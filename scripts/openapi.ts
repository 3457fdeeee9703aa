import { format } from 'prettier';
import { mkdir, writeFile } from 'node:fs/promises';
import { buildEventDocs } from '../functions/http/event-docs.ts';
import { buildOpenApi } from '../functions/http/openapi.ts';

/** Writes docs/openapi.json and docs/events/ from the schemas. A test fails when they are stale. */
const docs = new URL('../docs/', import.meta.url);
await mkdir(new URL('events/', docs), { recursive: true });
await writeFile(new URL('openapi.json', docs), await tidy(JSON.stringify(buildOpenApi()), 'json'));
for (const [name, text] of buildEventDocs())
  await writeFile(new URL(`events/${name}`, docs), await tidy(text, name.endsWith('.md') ? 'markdown' : 'json'));

function tidy(text: string, parser: 'json' | 'markdown'): Promise<string> {
  return format(text, { parser, printWidth: 140 });
}
