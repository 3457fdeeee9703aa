// The sidecar of the stub: does nothing, and ends at once when it is asked to.
process.once('SIGTERM', () => process.exit(0));
setInterval(() => undefined, 3_600_000);
