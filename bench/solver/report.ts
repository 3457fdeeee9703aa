import { SYSTEMS } from './cells.ts';
import type { Cell, DataSet, SystemName } from './cells.ts';

const BOOTSTRAPS = 2_000;
const MOST_OVER_S = 2;

/** One peer against ours on one split: positive when ours loses less. */
interface Pair {
  readonly set: string;
  /** (peer's loss − ours) / (the constant's loss − the better one's). */
  readonly gain: number;
  /** The same of the losses themselves, with its error by resampled test rows. */
  readonly difference: number;
  readonly error: number;
}

/** What is kept, as tables: losses, wins and ties against each peer, and what the limits, promises and memory came to. */
export function writeReport(sets: readonly DataSet[], cells: readonly Cell[]): string {
  const limits = [...new Set(cells.map(({ limitS }) => limitS))].toSorted((left, right) => left - right);
  const parts = limits.flatMap((limitS) => {
    const here = cells.filter((cell) => cell.limitS === limitS);
    return [`## ${limitS} s\n`, writeLosses(sets, here), writePairs(here), writeLimits(here)];
  });
  return `${parts.join('\n')}\n${writePromises(cells)}\n`;
}

function writeLosses(sets: readonly DataSet[], cells: readonly Cell[]): string {
  const systems = SYSTEMS.filter((name) => cells.some(({ system }) => system === name));
  const rows = sets.flatMap(({ slug, metric, sealed }) => {
    const ofSet = cells.filter((cell) => cell.set === slug && cell.toldS === cell.limitS);
    if (ofSet.length === 0) return [];
    const naive = ofSet.find((cell) => cell.naive !== null)?.naive ?? null;
    const losses = systems.map((system) => ofSet.filter((cell) => cell.system === system).map(({ loss }) => show(loss)));
    return [[`${slug}${sealed ? ' (sealed)' : ''}`, metric, ...losses.map((each) => each.join(' ')), show(naive)]];
  });
  return table(['set', 'loss of', ...systems, 'constant'], rows);
}

function writePairs(cells: readonly Cell[]): string {
  const rows = SYSTEMS.filter((name) => name !== 'ours').flatMap((peer) =>
    (['as told', 'no credit for time'] as const).flatMap((which) => {
      const pairs = pairUp(cells, peer, which);
      if (pairs.length === 0) return [];
      const wins = pairs.filter(({ difference, error }) => difference > error).length;
      const losses = pairs.filter(({ difference, error }) => -difference > error).length;
      const mean = pairs.reduce((sum, { gain }) => sum + gain, 0) / pairs.length;
      const [low, high] = bootstrap(pairs);
      return [
        [peer, which, String(wins), String(pairs.length - wins - losses), String(losses), `${show(mean)} [${show(low)}, ${show(high)}]`],
      ];
    }),
  );
  return table(['against', 'limit', 'wins', 'ties within an error', 'losses', 'mean gain [90 %]'], rows);
}

function pairUp(cells: readonly Cell[], peer: SystemName, which: 'as told' | 'no credit for time'): Pair[] {
  return cells
    .filter((cell) => cell.system === 'ours')
    .flatMap((ours) => {
      const theirs = cells.filter(({ system, set, split }) => system === peer && set === ours.set && split === ours.split);
      const told = theirs.find(({ toldS, limitS }) => toldS === limitS);
      const cut = theirs.find(({ toldS, limitS }) => toldS < limitS);
      const other = which === 'as told' ? told : (cut ?? told);
      if (which !== 'as told' && !cells.some(({ system, toldS, limitS }) => system === peer && toldS < limitS)) return [];
      return other === undefined ? [] : compare(ours, other);
    });
}

/** A solver without a valid file has what the constant has. */
function compare(ours: Cell, theirs: Cell): Pair[] {
  const naive = ours.naive ?? theirs.naive;
  if (naive === null) return [];
  const [mine, other] = [ours.loss ?? naive, theirs.loss ?? naive];
  const difference = other - mine;
  const differences = theirs.resampled.map((loss, index) => loss - (ours.resampled[index] ?? loss));
  const mean = differences.reduce((sum, value) => sum + value, 0) / Math.max(1, differences.length);
  const error = Math.sqrt(differences.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, differences.length - 1));
  const range = naive - Math.min(mine, other);
  return [{ set: ours.set, gain: range > 0 ? difference / range : 0, difference, error }];
}

/** The middle 90 % of the mean gain when whole sets are drawn anew: splits of one set are not independent. */
function bootstrap(pairs: readonly Pair[]): [number, number] {
  const sets = [...new Set(pairs.map(({ set }) => set))].map((set) => pairs.filter((pair) => pair.set === set));
  let state = 1;
  const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const means = Array.from({ length: BOOTSTRAPS }, () => {
    const drawn = sets.flatMap(() => sets[Math.floor(random() * sets.length)] ?? []);
    return drawn.reduce((sum, { gain }) => sum + gain, 0) / drawn.length;
  }).toSorted((left, right) => left - right);
  return [means[Math.floor(0.05 * BOOTSTRAPS)] ?? 0, means[Math.floor(0.95 * BOOTSTRAPS)] ?? 0];
}

function writeLimits(cells: readonly Cell[]): string {
  const rows = SYSTEMS.flatMap((system) => {
    const own = cells.filter((cell) => cell.system === system && cell.toldS === cell.limitS);
    if (own.length === 0) return [];
    const over = own.map(({ seconds, limitS }) => seconds - limitS);
    const first = own.flatMap(({ firstValidS }) => firstValidS ?? []);
    return [
      [
        system,
        String(own.length),
        String(own.filter(({ failure }) => failure !== null).length),
        String(over.filter((each) => each > MOST_OVER_S).length),
        `${Math.max(...over).toFixed(1)} s`,
        `${(own.reduce((sum, { seconds }) => sum + seconds, 0) / own.length).toFixed(0)} s`,
        `${Math.max(...own.map(({ peakMemoryMib }) => peakMemoryMib))} MiB`,
        first.length === 0 ? '–' : `${Math.max(...first).toFixed(1)} s`,
        [...new Set(own.map(({ version }) => version))].join(', '),
      ],
    ];
  });
  return table(
    [
      'solver',
      'runs',
      'no valid file',
      'over by more than 2 s',
      'most over',
      'mean time',
      'peak memory',
      'last first valid file',
      'version',
    ],
    rows,
  );
}

function writePromises(cells: readonly Cell[]): string {
  const told = cells.filter(({ system, promised, loss }) => system === 'ours' && promised !== null && loss !== null);
  const count = (isRight: (loss: number, low: number, high: number) => boolean) =>
    told.filter(({ promised, loss }) => promised !== null && loss !== null && isRight(loss, promised.low, promised.high)).length;
  const inside = count((loss, low, high) => loss >= low && loss <= high);
  const better = count((loss, low) => loss < low);
  // The 80 % interval of a normal error, from the 95 % one that is told.
  const narrow = (low: number, high: number): [number, number] => {
    const [middle, half] = [(low + high) / 2, ((high - low) / 2) * (1.2816 / 1.96)];
    return [middle - half, middle + half];
  };
  const inside80 = count((loss, low, high) => loss >= narrow(low, high)[0] && loss <= narrow(low, high)[1]);
  return `Of ${told.length} runs with a promised interval ${inside} ended inside it (95 %), ${inside80} inside its middle 80 %, ${better} better than it.`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  return `${[header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')}\n`;
}

function show(value: number | null): string {
  return value === null ? 'none' : String(Number(value.toPrecision(4)));
}
