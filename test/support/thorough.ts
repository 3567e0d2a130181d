import { test } from 'vitest';

/**
 * Whether the longest tests run too: in CI (`CI=true`), and wherever `KMS_TEST=thorough` asks for them. They start whole
 * programs, kill them at every moment or search for long, and would make two runs a day of what should be one an hour.
 */
export const everything = (process.env.CI ?? '') !== '' || process.env.KMS_TEST === 'thorough';

type Thorough = Pick<typeof test, 'each' | 'skipIf'> & typeof test;

const none: unknown = Object.assign(() => {}, { each: () => () => {}, skipIf: () => none });

/** As `test`, for one that takes seconds and whose rule another test covers in small: only when `everything` runs. */
export const thorough = (everything ? test : none) as Thorough;
