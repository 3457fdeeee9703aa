// Starts AVA with a mended TAP reporter: version 8.1.2 dies, without naming the test, when a test hangs or a test file exits early (its
// reporter passes a bare Error on to a function that expects AVA's own description of one), and when an error has a member that its YAML
// writer can't write. At the end it names the slowest files, so that a suite which grew too long shows where.
import run from '../node_modules/ava/lib/cli.js';
import TapReporter from '../node_modules/ava/lib/reporters/tap.js';

const { endRun, writeTest } = TapReporter.prototype;
const SLOWEST_FILES = 15;

/** When the first test of each file began and its last ended, in ms. */
const spans = new Map();

function noteTime({ testFile, duration }) {
  if (testFile === undefined || duration === undefined) return;
  const endMs = performance.now();
  const { startMs } = spans.get(testFile) ?? { startMs: Infinity };
  spans.set(testFile, { startMs: Math.min(startMs, endMs - duration), endMs });
}

TapReporter.prototype.endRun = function endTimedRun() {
  const slowest = [...spans].map(([file, { startMs, endMs }]) => [file, endMs - startMs]).sort((a, b) => b[1] - a[1]);
  for (const [file, ms] of slowest.slice(0, SLOWEST_FILES)) {
    this.reportStream.write(`# ${(ms / 1000).toFixed(1).padStart(6)} s  ${this.relativeFile(file)}\n`);
  }
  return endRun.call(this);
};

TapReporter.prototype.writeTest = function writeDescribedTest(event, flags) {
  noteTime(event);
  const { err } = event;
  const described =
    err instanceof Error
      ? { ...event, err: { type: 'native', name: err.name, originalError: err, formattedDetails: [], stack: '' } }
      : event;
  try {
    return writeTest.call(this, described, flags);
  } catch {
    const message = [err?.message, err?.originalError?.message, err?.formattedError, err?.stack].filter(Boolean).join(' ');
    const plain = new Error(message || 'the test failed with an error that cannot be shown');
    return writeTest.call(
      this,
      { ...event, err: { type: 'native', name: plain.name, originalError: plain, formattedDetails: [], stack: '' } },
      flags,
    );
  }
};

run();
