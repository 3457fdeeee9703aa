// The cluster suite is a run of its own (`ava --config test/cluster/ava.config.mjs`): it needs a cluster, and more patience.
export default {
  files: ['test/cluster/**/*.test.ts'],
  extensions: ['ts'],
  workerThreads: false,
  // One file after the other: the suites would take each other's processor time, on a cluster of one small node.
  concurrency: 1,
  timeout: '10m',
};
