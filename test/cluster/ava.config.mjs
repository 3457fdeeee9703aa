// The cluster suite is a run of its own (`ava --config test/cluster/ava.config.mjs`): it needs a cluster, and more patience.
export default {
  files: ['test/cluster/**/*.test.ts'],
  extensions: ['ts'],
  workerThreads: false,
  timeout: '10m',
};
