import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The folders whose tests start whole programs, the longest first: at the end they would be waited for alone. */
const LONG = ['test/database/', 'test/bootstrap/', 'test/tools/', 'test/docs/', 'test/server/process/'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weight = ({ moduleId }: TestSpecification) => {
      const found = LONG.findIndex((folder) => moduleId.includes(folder));
      return found < 0 ? LONG.length : found;
    };
    return files.toSorted((a, b) => weight(a) - weight(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Those have runs of their own: `npm run test:faults`, `npm run test:clients`, `npm run test:cluster`.
    exclude: ['test/faults/**', 'test/clients-other/**', 'test/cluster/**'],
    globalSetup: ['./test/support/global-setup.ts'],
    setupFiles: ['./test/support/setup.ts'],
    // Ours first: it watches all output, that of the other reporter included.
    reporters: ['./test/support/reporter.ts', 'default'],
    // Processes, not threads: tests send signals, set variables and open sockets. A file does not get one of its own: loading the
    // server anew for each of eighty files would take a third of the run.
    isolate: false,
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    // One more than there are cores: some tests wait for a second to pass. Files share one Postgres, so many more would wait for it.
    maxWorkers: Math.min(4, availableParallelism() + 1),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 40_000,
  },
});
