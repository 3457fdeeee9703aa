import { makeCsv, makeRandom } from './_harness.ts';
import { encodeRuns, makePng } from './_images.ts';
import type { Shape } from './_shapes.ts';

const SIDE = 24;

/** Images with none to three bright squares far apart, each a mask and a row of its own; every sixth image has none. */
export function instancesShape(images = 150): Shape {
  const random = makeRandom(31);
  const media: Record<string, Uint8Array> = {};
  const rows: string[] = [];
  const units: number[] = [];
  const name = (i: number) => `cell${i}`;
  const trained = Math.round(images * 0.8);
  for (let i = 0; i < images; i += 1) {
    const squares = Array.from({ length: i % 6 === 0 ? 0 : 1 + (i % 3) }, (_, place) => ({
      left: 1 + 12 * (place % 2) + Math.floor(random() * 3),
      top: 1 + 12 * Math.floor(place / 2) + Math.floor(random() * 3),
      size: 5 + Math.floor(random() * 4),
    }));
    const isIn = ({ left, top, size }: (typeof squares)[number], x: number, y: number) =>
      x >= left && x < left + size && y >= top && y < top + size;
    media[`${i < trained ? 'train' : 'test'}/${name(i)}.png`] = makePng(
      SIDE,
      SIDE,
      (x, y) => (squares.some((square) => isIn(square, x, y)) ? 200 : 40) + Math.floor(random() * 30),
    );
    if (i >= trained) continue;
    const runs = squares.map((square) => encodeRuns(SIDE, SIDE, (x, y) => isIn(square, x, y)));
    for (const text of runs.length > 0 ? runs : ['']) {
      rows.push(`${name(i)},${text}`);
      units.push(i);
    }
  }
  return {
    shape: 'rows',
    metric: 'iou_precision',
    targets: ['EncodedPixels'],
    relabel: (label, row) => (label === '' ? '1 2' : `${(row % 9) + 1} 3`),
    units,
    media,
    files: {
      'train.csv': `ImageId,EncodedPixels\n${rows.join('\n')}\n`,
      'sample_submission.csv': makeCsv(['ImageId', 'EncodedPixels'], images - trained, (i) => [name(trained + i), '1 2']),
    },
  };
}
