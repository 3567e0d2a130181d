import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const support = (file: string) => join(import.meta.dirname, '../support', file);

/** What a run chose; the same again repeats its choices. */
const seed = process.env.FAULT_SEED ?? String(randomInt(2 ** 31));
console.info(`faults: FAULT_SEED=${seed}`);

/** What Node compiled, for the many starts of one run: half of a start is compiling. */
const compiled = mkdtempSync(join(tmpdir(), 'kms-faults-compiled-'));
process.on('exit', () => rmSync(compiled, { recursive: true, force: true }));

/** Those that wait for limits of the product, which no machine shortens. */
const LONG = ['slow-clients', 'rolling-restart', 'side-by-side'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const weight = ({ moduleId }: TestSpecification) => {
      const found = LONG.findIndex((name) => moduleId.includes(name));
      return found < 0 ? LONG.length : found;
    };
    return files.toSorted((a, b) => weight(a) - weight(b) || a.moduleId.localeCompare(b.moduleId));
  }
}

/** `npm run test:faults`: the product's own processes, a real Postgres and Redis, and what befalls them. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    include: ['test/faults/**/*.test.ts'],
    globalSetup: [support('global-setup.ts')],
    setupFiles: [support('setup.ts'), join(import.meta.dirname, 'support/setup.ts')],
    reporters: [support('reporter.ts'), 'default'],
    env: { FAULT_SEED: seed, FAULT_COMPILE_CACHE: compiled },
    pool: 'forks',
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // One of them waits for two minutes, and does nothing; each other has processes of its own that are kept busy.
    maxWorkers: 4,
    // For a machine that is busy with other things too; each takes a fraction of it.
    testTimeout: 240_000,
    hookTimeout: 120_000,
    teardownTimeout: 40_000,
  },
});
