// Starts AVA with a mended TAP reporter: version 8.1.2 dies, without naming the test, when a test hangs or a test file exits early, because
// its reporter then passes a bare Error on to a function that expects AVA's own description of one.
import run from '../node_modules/ava/lib/cli.js';
import TapReporter from '../node_modules/ava/lib/reporters/tap.js';

const { writeTest } = TapReporter.prototype;

TapReporter.prototype.writeTest = function writeDescribedTest(event, flags) {
  const { err } = event;
  const described =
    err instanceof Error
      ? { ...event, err: { type: 'native', name: err.name, originalError: err, formattedDetails: [], stack: '' } }
      : event;
  return writeTest.call(this, described, flags);
};

run();
