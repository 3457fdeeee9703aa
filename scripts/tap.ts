/** What the tests of a run came to. */
export interface TestCounts {
  passed: number;
  failed: number;
  readonly skipped: string[];
}

const result = /^(not )?ok \d+ - (.*)$/;

/** Counts one line of AVA's TAP output and returns what a person should see of it: null for mere bookkeeping. */
export function readTapLine(line: string, counts: TestCounts): string | null {
  const match = result.exec(line);
  if (match === null) return /^(TAP version|\d+\.\.\d+|# (tests|pass|fail|skip|todo)\b|#? ?$)/.test(line) ? null : line;
  const title = match[2] ?? '';
  if (/ # (SKIP|TODO)\b/i.test(title)) {
    counts.skipped.push(title.replace(/ # (SKIP|TODO)\b.*/i, ''));
    return null;
  }
  if (match[1] === undefined) {
    counts.passed += 1;
    return `  passed  ${title}`;
  }
  counts.failed += 1;
  return `  FAILED  ${title}`;
}
