import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const support = (file: string) => join(import.meta.dirname, '../support', file);

/** What the run of random faults chose; the same again repeats its choices. */
const seed = process.env.FAULT_SEED ?? String(randomInt(2 ** 31));
console.info(`cluster: FAULT_SEED=${seed}`);

/** Takes ten minutes in CI, whatever else runs: begun last, it would add them. */
const LONGEST = /renewal-steady/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLongest = ({ moduleId }: TestSpecification) => Number(LONGEST.test(moduleId));
    return (await super.sort(files)).toSorted((a, b) => isLongest(b) - isLongest(a));
  }
}

/** `npm run test:cluster`: the operator and the manifests on a real control plane, with a real KMS. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    // The manifests by the schemas of other minors, and the chart, are a part of `npm test`, too, once what they need is at hand.
    include: ['test/cluster/**/*.test.ts', 'test/constructs/minors.test.ts', 'test/charts/**/*.test.ts'],
    globalSetup: [support('global-setup.ts')],
    setupFiles: [support('setup.ts')],
    reporters: [support('reporter.ts'), 'default'],
    env: { FAULT_SEED: seed },
    pool: 'forks',
    isolate: false,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // The controllers of a real cluster take their time; what is to be fast is measured in bench/.
    expect: { poll: { timeout: 15_000, interval: 50 } },
    testTimeout: 60_000,
    hookTimeout: 90_000,
    teardownTimeout: 40_000,
  },
});
