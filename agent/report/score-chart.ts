import type { SolutionReport } from '#core/report.ts';

const WIDTH = 900;
const HEIGHT = 260;
const LEFT = 70;
const RIGHT = 20;
const TOP = 16;
const BOTTOM = 34;

/** Scores with their intervals over the solutions, as inline SVG; empty when fewer than two were graded. Better is always up. */
export function drawScores(
  solutions: readonly SolutionReport[],
  options: { readonly direction: 'maximize' | 'minimize'; readonly bestNumber: number | null },
): string {
  const all = solutions.flatMap((solution) =>
    solution.score === null ? [] : [{ number: solution.number, kind: solution.kind, ...solution.score }],
  );
  // The constant would flatten the models when they are any good; the table has it.
  const models = all.filter((solution) => solution.kind !== 'baseline');
  const graded = models.length >= 2 ? models : all;
  if (graded.length < 2) return '';
  const low = Math.min(...graded.map((solution) => solution.low));
  const high = Math.max(...graded.map((solution) => solution.high));
  const span = high - low || 1;
  const y = (score: number): number => {
    const share = (score - low) / span;
    return TOP + (options.direction === 'maximize' ? 1 - share : share) * (HEIGHT - TOP - BOTTOM);
  };
  const x = (index: number): number => LEFT + ((index + 0.5) / graded.length) * (WIDTH - LEFT - RIGHT);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const value = low + share * span;
    const at = y(value).toFixed(1);
    const label = Number(value.toPrecision(4)).toString();
    return `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text x="${LEFT - 8}" y="${at}" dy="4" text-anchor="end">${label}</text>`;
  });
  const marks = graded.map((solution, index) => {
    const at = x(index).toFixed(1);
    const kind = solution.number === options.bestNumber ? ' best' : '';
    const range = `<line class="range${kind}" stroke-width="2" x1="${at}" x2="${at}" y1="${y(solution.low).toFixed(1)}" y2="${y(solution.high).toFixed(1)}"/>`;
    const dot = `<circle class="dot${kind}" cx="${at}" cy="${y(solution.score).toFixed(1)}" r="5"/>`;
    return `${range}${dot}<text x="${at}" y="${HEIGHT - 12}" text-anchor="middle">#${solution.number}</text>`;
  });
  const label = `Score and 95 % interval of ${graded.length} solutions; better is up`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}">${ticks.join('')}${marks.join('')}</svg>`;
}
