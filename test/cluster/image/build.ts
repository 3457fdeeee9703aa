// Builds the test image and loads it: `npm run images:test [NAME]`. Builder and bases as for `npm run images`.
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildBundles } from '../../../scripts/images/bundle.ts';
import { findBuilder, findKindCluster, loadIntoKind } from '../../../scripts/images/builders.ts';
import { normaliseModes, readBases, replaceBases } from '../../../scripts/images/context.ts';

const DEFAULT_NAME = 'dev.local/kaggle-agent-test:dev';
const projectDir = resolve(import.meta.dirname, '../../..');
const source = join(projectDir, 'test/cluster/image');

const name = process.argv[2] ?? DEFAULT_NAME;
const folder = await mkdtemp(join(tmpdir(), 'kaggle-agent-test-image-'));
try {
  const entries = ['agent', 'dying'].map((entry) => ({ name: entry, source: `test/cluster/image/${entry}.ts` }));
  await buildBundles(projectDir, entries, join(folder, 'app'));
  await cp(join(source, 'runner.cjs'), join(folder, 'app/runner.cjs'));
  await cp(join(source, 'python.sh'), join(folder, 'python.sh'));
  const bases = readBases(process.env['KAGGLE_AGENT_IMAGE_BASES'] ?? '');
  await writeFile(join(folder, 'Dockerfile'), replaceBases(await readFile(join(source, 'Dockerfile'), 'utf8'), bases));
  await normaliseModes(folder);
  const builder = await findBuilder(process.env['KAGGLE_AGENT_IMAGE_BUILDER'] ?? null);
  await builder.build(name, folder);
  const cluster = builder.loads ? null : await findKindCluster(process.env['KIND_CLUSTER_NAME'] ?? null);
  if (cluster !== null) await loadIntoKind(builder, name, cluster);
  process.stdout.write(`${JSON.stringify({ image: name })}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
