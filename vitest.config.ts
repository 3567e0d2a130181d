import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['./test/support/global-setup.ts'],
    setupFiles: ['./test/support/setup.ts'],
    // Ours first: it watches all output, that of the other reporter included.
    reporters: ['./test/support/reporter.ts', 'default'],
    // A process per file: tests send signals, set variables and open sockets.
    pool: 'forks',
    // Files share one Postgres, so more of them at once than this only wait for it.
    maxWorkers: Math.min(4, Math.max(2, availableParallelism())),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 40_000,
  },
});
