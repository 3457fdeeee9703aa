import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { PROJECT_DIR } from '#local/config.ts';
import type { SystemName } from './cells.ts';
import { pythonOf } from './systems.ts';

const run = promisify(execFile);

/** What was measured: our commit (with a plus when files differ from it), or the peer's release. */
export async function nameVersions(system: SystemName): Promise<string> {
  if (system !== 'ours') {
    const [peer, name] = system.startsWith('flaml') ? (['flaml', 'flaml'] as const) : (['autogluon', 'autogluon.tabular'] as const);
    const { stdout } = await run(pythonOf(peer), ['-c', `from importlib.metadata import version; print(version("${name}"))`]);
    return `${name} ${stdout.trim()}`;
  }
  const git = async (...args: string[]) => (await run('git', ['-C', PROJECT_DIR, ...args])).stdout.trim();
  const changed = await git('status', '--porcelain', '--', 'agent', 'core', 'adapters', 'cli');
  return `${await git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : '+'}`;
}
