import { parseTable, readTable, SubmissionInvalid, type Score } from './scoring.ts';

/** Where each point lies, by its id, in the order of the file. */
export type Points = ReadonlyMap<string, readonly [number, number]>;

/** Reads a table of points: an id column, `x` and `y`. Throws when a column is missing. */
export function parsePoints(csv: string, idColumn: string): Points {
  const { header, rows } = parseTable(csv);
  const [id, x, y] = [idColumn, 'x', 'y'].map((name) => header.indexOf(name));
  if (id === undefined || x === undefined || y === undefined || Math.min(id, x, y) < 0)
    throw new Error(`A table of points needs the columns ${idColumn}, x and y; it has ${header.join(', ')}.`);
  return new Map(rows.map((row) => [row[id] ?? '', [Number(row[x]), Number(row[y])] as const]));
}

/** Length of a round trip that begins and ends at the first point and visits every other one once. Throws `SubmissionInvalid`. */
export function scoreTour(bytes: Buffer, points: Points): Score {
  const { header, rows } = readTable(bytes);
  if (header.length !== 1) throw new SubmissionInvalid('A submission has one column, the points in the order of the tour.');
  const order = rows.map(([name]) => name ?? '');
  const [depot] = points.keys();
  if (order.length !== points.size + 1) throw new SubmissionInvalid(`Evaluation Exception: Submission must have ${points.size + 1} rows`);
  if (order[0] !== depot || order.at(-1) !== depot) throw new SubmissionInvalid(`The tour must begin and end at ${depot}`);
  const visited = new Set(order);
  if (visited.size !== points.size) throw new SubmissionInvalid('Every point must be visited exactly once');
  let length = 0;
  for (const [i, name] of order.entries()) {
    const [here, before] = [points.get(name), points.get(order[i - 1] ?? depot ?? '')];
    if (here === undefined || before === undefined) throw new SubmissionInvalid(`Unexpected point '${name.slice(0, 60)}' (Line ${i + 2})`);
    length += Math.hypot(here[0] - before[0], here[1] - before[1]);
  }
  return { publicScore: length, privateScore: length };
}

/** Takes a program: text with a function in it. What it is worth only games against others would tell. Throws `SubmissionInvalid`. */
export function scoreProgram(bytes: Buffer): { publicScore: null; privateScore: null } {
  if (!/^def \w+\(/m.test(bytes.toString('utf8'))) throw new SubmissionInvalid('Validation Episode failed: the file defines no function.');
  return { publicScore: null, privateScore: null };
}
