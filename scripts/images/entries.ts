/** One program that is shipped as a bundle. */
export interface BundleEntry {
  readonly name: string;
  /** Path of its `main` file in the project. */
  readonly source: string;
}

const FUNCTIONS = ['submit', 'status', 'result', 'job-launcher', 'collector', 'reconciler', 'dead-letter', 'migrate'] as const;

/** Names of the images, in the order in which they are built. */
export const IMAGE_NAMES = ['functions', 'agent', 'postgres', 'gcs', 'stand-in'] as const;
export type ImageName = (typeof IMAGE_NAMES)[number];

/** The programs of each image; an image without programs of ours has none. */
export const IMAGE_ENTRIES: Readonly<Record<ImageName, readonly BundleEntry[]>> = {
  functions: FUNCTIONS.map((name) => ({ name, source: `functions/${name}/main.ts` })),
  agent: [
    { name: 'agent', source: 'agent/main.ts' },
    { name: 'runner', source: 'agent/runner/main.ts' },
  ],
  postgres: [],
  gcs: [],
  'stand-in': [{ name: 'stand-in', source: 'local/kaggle/main.ts' }],
};

/**
 * Files that a program finds beside its source (`import.meta.url`): project path by project path, copied under the same path. A folder is copied
 * whole but for caches.
 */
export const IMAGE_FILES: Readonly<Record<ImageName, readonly string[]>> = {
  functions: [
    'dashboard',
    'docs/errors.md',
    'node_modules/swagger-ui-dist/package.json',
    'node_modules/swagger-ui-dist/swagger-ui.css',
    'node_modules/swagger-ui-dist/swagger-ui-bundle.js',
    'node_modules/swagger-ui-dist/favicon-32x32.png',
    'node_modules/swagger-ui-dist/LICENSE',
  ],
  agent: ['agent/python'],
  postgres: [],
  gcs: [],
  'stand-in': ['examples'],
};

/** Packages that are evaluated only when used: each becomes a file of its own beside the bundles. */
export const SPLIT_PACKAGES = ['@google-cloud/storage', '@kubernetes/client-node', '@anthropic-ai/sdk'] as const;
