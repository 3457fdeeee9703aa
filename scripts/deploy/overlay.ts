import { cp, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { PROJECT_DIR } from './options.ts';

/** What the manifests put before the names of our images. */
const DEV_PREFIX = 'dev.local/kaggle-agent-';
const IMAGE_NAMES: readonly string[] = ['functions', 'agent', 'postgres', 'gcs', 'stand-in'];

const IMAGE_FIELDS = join(PROJECT_DIR, 'infra/overlays/production/image-fields.yaml');

/** Where the images come from; null = as the overlay says. */
export interface ImageSource {
  readonly imagePrefix: string | null;
  readonly tag: string | null;
}

/**
 * Calls `work` with a folder for `kubectl apply -k`: the overlay itself, or one that lies over it for as long as the work takes and gives the
 * images their names.
 */
export async function withOverlay<T>(overlayDir: string, images: ImageSource, work: (dir: string) => Promise<T>): Promise<T> {
  if (images.imagePrefix === null && images.tag === null) return work(overlayDir);
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'kaggle-agent-deploy-')));
  try {
    await cp(IMAGE_FIELDS, join(dir, 'image-fields.yaml'));
    await writeFile(join(dir, 'kustomization.yaml'), JSON.stringify(buildKustomization(relative(dir, await realpath(overlayDir)), images)));
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function buildKustomization(base: string, { imagePrefix, tag }: ImageSource): object {
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [base],
    configurations: ['image-fields.yaml'],
    images: IMAGE_NAMES.map((name) => ({
      name: `${DEV_PREFIX}${name}`,
      ...(imagePrefix !== null && { newName: `${imagePrefix}${name}` }),
      ...(tag !== null && { newTag: tag }),
    })),
  };
}
