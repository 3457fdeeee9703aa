import type { DeployContext } from './deploy.ts';
import { DeployRefusal, findKubectl, openKubectl } from './kubectl.ts';
import { USAGE, readOptions } from './options.ts';
import { install, rehearse, remove } from './deploy.ts';

const startedAt = performance.now();
const elapsedS = () => Math.round((performance.now() - startedAt) / 1000);

/** Progress goes to standard error; standard output has the addresses, and one JSON object as its last line. */
async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options === null) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const clusterArgs = options.kubeconfig === null ? [] : ['--kubeconfig', options.kubeconfig];
  const log = (line: string) => void process.stderr.write(`[${String(elapsedS()).padStart(4)} s] ${line}\n`);
  const context: DeployContext = { kubectl: openKubectl(findKubectl(process.env), clusterArgs, { log }), options, log };
  const urls = await run(context);
  for (const [name, url] of Object.entries(urls)) process.stdout.write(`${name.padEnd(8)}${url}\n`);
  const action = options.dryRun ? 'dry-run' : options.remove ? 'remove' : 'install';
  process.stdout.write(`${JSON.stringify({ ok: true, action, overlay: options.overlay, urls, seconds: elapsedS() })}\n`);
}

async function run(context: DeployContext): Promise<Readonly<Record<string, string>>> {
  if (context.options.dryRun) return rehearse(context).then(() => ({}));
  if (context.options.remove) return remove(context).then(() => ({}));
  return install(context);
}

await main().catch((error: unknown) => {
  const message =
    error instanceof DeployRefusal
      ? error.message
      : `deploy failed unexpectedly: ${error instanceof Error ? error.message : String(error)}`;
  process.stderr.write(`${message}\n`);
  process.stdout.write(`${JSON.stringify({ ok: false, error: message, seconds: elapsedS() })}\n`);
  process.exitCode = 1;
});
