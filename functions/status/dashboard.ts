import type { Route } from '../http/app.ts';
import { createStaticRoute } from '../http/static-file.ts';

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const FILES = [
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/dashboard/style.css', 'style.css', 'text/css; charset=utf-8'],
  ['/dashboard/app.js', 'app.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/api.js', 'api.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/dom.js', 'dom.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/job-list.js', 'job-list.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/job-page.js', 'job-page.js', 'text/javascript; charset=utf-8'],
  ['/dashboard/job-parts.js', 'job-parts.js', 'text/javascript; charset=utf-8'],
] as const;

/** The dashboard: plain files, without anything from elsewhere. */
export function createDashboardRoutes(): Route[] {
  return FILES.map(([path, name, contentType]) =>
    createStaticRoute({ path, file: new URL(`../../dashboard/${name}`, import.meta.url), contentType, csp: CSP }),
  );
}
