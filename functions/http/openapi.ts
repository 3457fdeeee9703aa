import { z } from 'zod';
import type { AnswerDoc, RouteDoc } from './route-docs.ts';
import * as responses from '#core/responses.ts';
import { ROUTE_DOCS } from './route-docs.ts';
import { InstructRequest, RunRequest } from '#core/requests.ts';

type Json = Record<string, unknown>;

const NAMED: readonly z.ZodType[] = [RunRequest, InstructRequest, ...Object.values(responses)].filter(
  (value) => value instanceof z.ZodType,
);

/** The OpenAPI 3.1 document of the public interface, made from the zod schemas over the table of routes. Deterministic. */
export function buildOpenApi(): Json {
  const schemas = buildComponents();
  const paths: Record<string, Json> = {};
  for (const doc of ROUTE_DOCS) {
    const path = doc.path.replaceAll(/:([a-z]+)/g, '{$1}');
    paths[path] = { ...paths[path], [doc.method]: buildOperation(doc) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Kaggle Agent',
      version: '1',
      description: 'Give it the URL of a Kaggle competition, get a validated submission.csv. Errors are application/problem+json.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{}, { bearer: [] }],
    paths,
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An API key; not needed on one machine.' } },
    },
  };
}

/** JSON Schemas of all named shapes, with references between them. */
function buildComponents(): Record<string, unknown> {
  const registry = z.registry<{ id?: string }>();
  for (const schema of NAMED) {
    const id = schema.meta()?.id;
    if (id !== undefined) registry.add(schema, { id });
  }
  const { schemas } = z.toJSONSchema(registry, { io: 'input', unrepresentable: 'any', uri: (id) => `#/components/schemas/${id}` });
  return Object.fromEntries(
    Object.entries(schemas)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, schema]) => [name, withoutKeys(schema, ['$schema', '$id', 'id'])]),
  );
}

function withoutKeys(value: object, names: readonly string[]): Json {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !names.includes(key)));
}

function buildOperation(doc: RouteDoc): Json {
  const parameters = [...pathParameters(doc.path), ...queryParameters(doc), ...headerParameters(doc)];
  return {
    operationId: doc.id,
    tags: [doc.tag],
    summary: doc.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(doc.body !== undefined && {
      requestBody: {
        required: doc.body.required,
        content: Object.fromEntries(doc.body.mediaTypes.map((type) => [type, { schema: doc.body?.schema ? refer(doc.body.schema) : {} }])),
      },
    }),
    responses: buildResponses(doc),
  };
}

function buildResponses(doc: RouteDoc): Json {
  const problem = { content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } };
  const problems = [...new Set([...doc.problems, 401, 403])].sort((left, right) => left - right);
  return Object.fromEntries([
    ...doc.answers.map((answer) => [String(answer.status), buildAnswer(answer)]),
    ...problems
      .filter((status) => doc.answers.every((answer) => answer.status !== status))
      .map((status) => [String(status), { description: SENTENCES[status] ?? 'Error.', ...problem }]),
  ]);
}

const SENTENCES: Readonly<Record<number, string>> = {
  400: 'The request can never work as it is.',
  401: 'An API key is needed.',
  403: 'Refused: host, origin or key.',
  404: 'Unknown, or not yours.',
  413: 'The body is larger than 256 KiB.',
  415: 'The body is of a type that is not taken here.',
  422: 'A value is wrong; errors[] names it.',
  503: 'A part is down or busy: send the same request again after Retry-After.',
};

function buildAnswer({ what, schema, mediaType }: AnswerDoc): Json {
  if (mediaType === undefined) return { description: what };
  return { description: what, content: { [mediaType]: { schema: schema === undefined ? {} : refer(schema) } } };
}

function refer(schema: z.ZodType): Json {
  const id = schema.meta()?.id;
  if (id === undefined) throw new Error('a documented schema has no id: give it .meta({ id })');
  return { $ref: `#/components/schemas/${id}` };
}

const ONE_NUMBER = ['number'];

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:([a-z]+)/g)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: ONE_NUMBER.includes(name) ? { type: 'integer', minimum: 0 } : { type: 'string' },
  }));
}

function queryParameters(doc: RouteDoc): Json[] {
  if (doc.id === 'run')
    return [{ name: 'url', in: 'query', required: false, schema: { type: 'string' }, description: 'The competition, instead of a body.' }];
  if (doc.query === undefined) return [];
  return Object.entries(doc.query.shape).map(([name, schema]) => {
    const shape = withoutKeys(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), ['$schema']);
    const { description, ...rest } = shape;
    const plain = rest['type'] === 'integer' ? withoutKeys(rest, ['pattern']) : rest;
    return { name, in: 'query', required: false, ...(description !== undefined && { description }), schema: plain };
  });
}

function headerParameters(doc: RouteDoc): Json[] {
  return Object.entries(doc.headers ?? {}).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }));
}
