const MAX_LINES = 1_500;
const CONTEXT = 3;

type Change = { readonly sign: ' ' | '-' | '+'; readonly text: string };

/** Unified diff of two texts (hunks with three lines around), by longest common subsequence. Null when they are too long to compare. */
export function diffLines(before: string, after: string): string[] | null {
  const left = before.split('\n');
  const right = after.split('\n');
  if (left.length > MAX_LINES || right.length > MAX_LINES) return null;
  return formatHunks(findChanges(left, right));
}

function findChanges(left: readonly string[], right: readonly string[]): Change[] {
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
  let leftEnd = left.length;
  let rightEnd = right.length;
  while (leftEnd > start && rightEnd > start && left[leftEnd - 1] === right[rightEnd - 1]) {
    leftEnd -= 1;
    rightEnd -= 1;
  }
  const same = (text: string): Change => ({ sign: ' ', text });
  return [
    ...left.slice(0, start).map(same),
    ...walkMiddle(left.slice(start, leftEnd), right.slice(start, rightEnd)),
    ...left.slice(leftEnd).map(same),
  ];
}

function walkMiddle(left: readonly string[], right: readonly string[]): Change[] {
  const width = right.length + 1;
  const lengths = new Uint16Array((left.length + 1) * width);
  const at = (row: number, column: number) => lengths[row * width + column] ?? 0;
  for (let row = left.length - 1; row >= 0; row -= 1) {
    for (let column = right.length - 1; column >= 0; column -= 1) {
      lengths[row * width + column] =
        left[row] === right[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
    }
  }
  const changes: Change[] = [];
  let row = 0;
  let column = 0;
  while (row < left.length || column < right.length) {
    const [before, after] = [left[row], right[column]];
    if (before !== undefined && before === after) {
      changes.push({ sign: ' ', text: before });
      row += 1;
      column += 1;
    } else if (after === undefined || (before !== undefined && at(row + 1, column) >= at(row, column + 1))) {
      changes.push({ sign: '-', text: before ?? '' });
      row += 1;
    } else {
      changes.push({ sign: '+', text: after });
      column += 1;
    }
  }
  return changes;
}

function formatHunks(changes: readonly Change[]): string[] {
  const near = new Uint8Array(changes.length);
  for (const [index, change] of changes.entries()) {
    if (change.sign !== ' ') near.fill(1, Math.max(0, index - CONTEXT), index + CONTEXT + 1);
  }
  const lines: string[] = [];
  let [leftLine, rightLine] = [1, 1];
  for (let index = 0; index < changes.length;) {
    const end = near[index] === 1 ? findRunEnd(near, index) : index + 1;
    const hunk = changes.slice(index, end);
    const leftCount = hunk.filter((change) => change.sign !== '+').length;
    const rightCount = hunk.filter((change) => change.sign !== '-').length;
    if (near[index] === 1) {
      lines.push(`@@ -${leftLine},${leftCount} +${rightLine},${rightCount} @@`, ...hunk.map((change) => `${change.sign}${change.text}`));
    }
    leftLine += leftCount;
    rightLine += rightCount;
    index = end;
  }
  return lines;
}

function findRunEnd(near: Uint8Array, from: number): number {
  const end = near.indexOf(0, from);
  return end === -1 ? near.length : end;
}
