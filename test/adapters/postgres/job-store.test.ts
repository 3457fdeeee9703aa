import test from 'ava';
import { createPostgresJobStore } from '#adapters/postgres/job-store.ts';
import { createTestDatabase } from '#test/_support/postgres.ts';
import { testJobStore } from '#test/contract/job-store.ts';

// One after the other: each test opens many connections.
testJobStore(test.serial, {
  create: async (t) => {
    const database = await createTestDatabase(t);
    const store = createPostgresJobStore({ url: database.url, maxConnections: 25 });
    // Registered last, so run first: the pool is empty before the database goes.
    t.teardown(() => store.close());
    return store;
  },
});
