import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

const support = (file: string) => join(import.meta.dirname, '../support', file);

/** `npm run test:clients`: published clients of other languages against the product. Needs package registries, once. */
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    include: ['test/clients-other/**/*.test.ts'],
    globalSetup: [support('global-setup.ts')],
    setupFiles: [support('setup.ts')],
    reporters: [support('reporter.ts'), 'default'],
    pool: 'forks',
    // A client is fetched, and built, within its test.
    testTimeout: 600_000,
    hookTimeout: 60_000,
    teardownTimeout: 40_000,
  },
});
