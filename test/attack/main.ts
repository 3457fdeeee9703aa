import { parseArgs } from 'node:util';
import type { Confinement } from '#agent/sandbox/confinement.ts';
import type { AttackResult } from './programs-suite.ts';
import type { Layer } from './layers.ts';
import { formatTable } from '#cli/output.ts';
import { probeConfinement } from '#agent/sandbox/confinement.ts';
import { LAYERS, weakenSandbox } from './layers.ts';
import { makeLocalPlace } from './place.ts';
import { runArchives } from './archives.ts';
import { runEndings, runTries } from './programs-suite.ts';
import { runTables } from './tables.ts';
import { runStrangers } from './strangers.ts';
import { PYTHON } from '../_support/python.ts';

const USAGE = `npm run attack -- [--json] [--without LAYER]... [--prove] [--cluster]
Tries to break out of the sandbox, and to break what reads its files. Exit code 1: something got through.
--without LAYER  takes a layer away first: ${LAYERS.join(', ')}
--prove          takes each layer away in turn and names what gets through then
--cluster        from inside an attempt's pod (needs KUBECONFIG, KAGGLE_AGENT_TEST_REAL_IMAGE: the agent's image; see docs/install.md)`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      prove: { type: 'boolean', default: false },
      cluster: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      without: { type: 'string', multiple: true, default: [] },
    },
  });
  const without = values.without.map(readLayer);
  if (values.help || without.includes(null)) {
    process.stderr.write(`${USAGE}\n`);
    return values.help ? 0 : 64;
  }
  if (values.cluster) return attackPod(values.json);
  const { confinement, problems, missing } = await probeConfinement(PYTHON);
  if (confinement === null) {
    process.stderr.write(`Programs cannot be confined here: ${problems.join('; ')}\n`);
    return 1;
  }
  for (const line of missing) process.stderr.write(`without a layer: ${line}\n`);
  if (values.prove) return prove(confinement, values.json);
  const results = await attack(
    confinement,
    without.filter((layer) => layer !== null),
  );
  return report(results, values.json);
}

async function attackPod(json: boolean): Promise<number> {
  // Its modules need a cluster's settings: they are loaded only where one is attacked.
  const { attackInPod } = await import('./cluster.ts');
  const { tier, layers, results } = await attackInPod();
  process.stderr.write(`in a pod, tier ${tier}; layers: ${layers.join(', ')}\n`);
  const code = report(results, json);
  return tier === 'isolated' ? code : 1;
}

function readLayer(name: string): Layer | null {
  return LAYERS.find((layer) => layer.toLowerCase() === name.toLowerCase()) ?? null;
}

/** All attacks; those on the readers of files do not depend on a layer. */
async function attack(confinement: Confinement, without: readonly Layer[], programsOnly = false): Promise<AttackResult[]> {
  const place = await makeLocalPlace();
  try {
    const sandbox = await weakenSandbox(place.folders.agentDir, confinement, without);
    process.stderr.write(`layers: ${sandbox.layers.filter((name) => !without.some((layer) => layer === name)).join(', ')}\n`);
    const results = [...(await runTries(sandbox, place)), ...(await runEndings(sandbox, place)), ...(await runStrangers(sandbox, place))];
    return programsOnly ? results : [...results, ...(await runArchives(place)), ...(await runTables(place))];
  } finally {
    await place.close();
  }
}

function report(results: readonly AttackResult[], json: boolean): number {
  const open = results.filter(({ through }) => through);
  if (json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  else {
    const rows = results.map(({ attack: name, through, stoppedBy, ms }) => [
      through ? '!!' : 'ok',
      name,
      stoppedBy,
      `${ms.toFixed(ms < 10 ? 1 : 0)} ms`,
    ]);
    process.stdout.write(formatTable(['', 'ATTACK', 'STOPPED BY', 'TIME'], rows));
    process.stdout.write(`${results.length} attacks, ${open.length} got through\n`);
  }
  return open.length === 0 ? 0 : 1;
}

/** Takes each layer away, with and without bubblewrap around it: a layer that nothing misses is named redundant. */
async function prove(confinement: Confinement, json: boolean): Promise<number> {
  const bases: Layer[][] = confinement.bubblewrap === null ? [['bubblewrap']] : [[], ['bubblewrap']];
  const found: { without: string; tier: string; through: string[] }[] = [];
  for (const base of bases) {
    const whole = await attack(confinement, base, true);
    const before = new Set(whole.filter(({ through }) => through).map(({ attack: name }) => name));
    const tier = base.length === 0 ? 'with bubblewrap' : 'without bubblewrap';
    found.push({ without: 'nothing', tier, through: [...before] });
    for (const layer of LAYERS.filter((name) => !base.includes(name))) {
      const results = await attack(confinement, [...base, layer], true);
      const through = results.filter((result) => result.through && !before.has(result.attack)).map(({ attack: name }) => name);
      found.push({ without: layer, tier, through });
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  else {
    const rows = found.map(({ without, tier, through }) => [
      tier,
      without,
      String(through.length),
      through.length === 0 ? (without === 'nothing' ? 'all stopped' : 'redundant here') : through.slice(0, 4).join('; '),
    ]);
    process.stdout.write(formatTable(['TIER', 'WITHOUT', 'THROUGH', 'FIRST'], rows));
  }
  return found.some(({ without, through }) => without === 'nothing' && through.length > 0) ? 1 : 0;
}

process.exitCode = await main();
