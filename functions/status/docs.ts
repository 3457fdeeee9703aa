import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { Route } from '../http/app.ts';
import { buildOpenApi } from '../http/openapi.ts';
import { createStaticRoute } from '../http/static-file.ts';
import { sendJson } from '../http/app.ts';

/** Swagger UI sets style attributes, hence 'unsafe-inline' for styles; scripts come from this service's own files only. */
const DOCS_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const SWAGGER_FILES = [
  ['swagger-ui.css', 'text/css; charset=utf-8'],
  ['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
  ['favicon-32x32.png', 'image/png'],
] as const;

/** `/docs` (Swagger UI from its package, nothing from elsewhere), `/docs/errors` and `/openapi.json`. */
export function createDocsRoutes(): Route[] {
  const swagger = pathToFileURL(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  const own = (name: string) => new URL(`../../dashboard/${name}`, import.meta.url);
  let document: unknown = null;
  return [
    createStaticRoute({ path: '/docs', file: own('docs.html'), contentType: 'text/html; charset=utf-8', csp: DOCS_CSP }),
    createStaticRoute({ path: '/docs/start.js', file: own('docs-start.js'), contentType: 'text/javascript; charset=utf-8', csp: DOCS_CSP }),
    createStaticRoute({
      path: '/docs/errors',
      file: new URL('../../docs/errors.md', import.meta.url),
      contentType: 'text/plain; charset=utf-8',
      csp: DOCS_CSP,
    }),
    ...SWAGGER_FILES.map(([name, contentType]) =>
      createStaticRoute({ path: `/docs/${name}`, file: new URL(name, swagger), contentType, csp: DOCS_CSP }),
    ),
    {
      method: 'get',
      path: '/openapi.json',
      access: 'open',
      handle: ({ res }) => {
        document ??= buildOpenApi();
        sendJson(res, 200, document);
      },
    },
  ];
}
