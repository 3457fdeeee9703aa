import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import type { ValidateFunction } from 'ajv';
import { z } from 'zod';
import type { Manifest } from '../../scripts/deploy/render.ts';
import { nameManifest } from '../../scripts/deploy/render.ts';

const SCHEMAS_DIR = join(import.meta.dirname, 'schemas');

/** Checks objects against the committed schemas of their kinds; a kind without a schema is a problem too. Compiles each schema once. */
export function createSchemaCheck(): (objects: readonly Manifest[]) => string[] {
  const ajv = new Ajv({
    allErrors: true,
    strict: true,
    strictTypes: false,
    strictRequired: false,
    validateFormats: false,
    unicodeRegExp: false,
  });
  const files = new Set(readdirSync(SCHEMAS_DIR));
  const compiled = new Map<string, ValidateFunction>();
  const find = (object: Manifest): ValidateFunction | null => {
    const file = `${object.apiVersion.replace('/', '_')}_${object.kind}.json`;
    if (!files.has(file)) return null;
    const validate =
      compiled.get(file) ?? ajv.compile(z.record(z.string(), z.unknown()).parse(JSON.parse(readFileSync(join(SCHEMAS_DIR, file), 'utf8'))));
    compiled.set(file, validate);
    return validate;
  };
  return (objects) =>
    objects.flatMap((object) => {
      const validate = find(object);
      if (validate === null) return [`${nameManifest(object)}: no schema of ${object.apiVersion} ${object.kind}`];
      if (validate(object)) return [];
      return (validate.errors ?? []).map(
        ({ instancePath, message, params }) => `${nameManifest(object)}: ${instancePath} ${message} ${JSON.stringify(params)}`,
      );
    });
}
