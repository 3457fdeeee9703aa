import { makeCsv, makeRandom } from './_harness.ts';
import { panelShape, rowsShape } from './_shapes.ts';
import type { Shape } from './_shapes.ts';

/** The highest level comes first. */
export const LEVELS = [0.9, 0.1, 0.5] as const;

/** `x` tells the middle of `demand`, `z` how far around it lies. */
export function quantilesShape(rows = 200, columns: readonly string[] = LEVELS.map((level) => `q${level}`)): Shape {
  const random = makeRandom(31);
  const cells = (id: number, labelled: boolean) => {
    const [x, z] = [random() * 10, random()];
    const demand = 3 * x + (random() + random() - 1) * (1 + 8 * z);
    return [id, x.toFixed(4), z.toFixed(4), ...(labelled ? [demand.toFixed(4)] : [])];
  };
  return {
    ...rowsShape(),
    metric: 'mean_pinball',
    targets: ['demand'],
    relabel: (label, row) => (Number(label) * 3 + row + 0.25).toFixed(2),
    files: {
      'train.csv': makeCsv(['id', 'x', 'z', 'demand'], rows, (i) => cells(i, true)),
      'test.csv': makeCsv(['id', 'x', 'z'], 60, (i) => cells(i + rows, false)),
      'sample_submission.csv': makeCsv(['id', ...columns], 60, (i) => [i + rows, ...columns.map(() => 0)]),
    },
  };
}

/** The panel, judged by errors in units of each series' own steps. */
export function scaledShape(): Shape {
  return { ...panelShape(), metric: 'rmsse' };
}
