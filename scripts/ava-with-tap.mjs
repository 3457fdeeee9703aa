// Starts AVA with a mended TAP reporter: version 8.1.2 dies, without naming the test, when a test hangs or a test file exits early (its
// reporter passes a bare Error on to a function that expects AVA's own description of one), and when an error has a member that its YAML
// writer can't write.
import run from '../node_modules/ava/lib/cli.js';
import TapReporter from '../node_modules/ava/lib/reporters/tap.js';

const { writeTest } = TapReporter.prototype;

TapReporter.prototype.writeTest = function writeDescribedTest(event, flags) {
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
