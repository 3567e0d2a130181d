import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { everything, thorough } from '../../support/thorough.ts';
import { CHANGES, differences, startTwins, type Twins } from './fresh.ts';

/** For a longer search: FRESH_RUNS=30. */
const RUNS = Number(process.env.FRESH_RUNS ?? 1);
const CHANGES_A_RUN = everything ? 30 : 8;

let twins: Twins;

beforeAll(async () => {
  twins = await startTwins();
});
afterAll(() => twins.close());

const change = fc.record({
  kind: fc.constantFrom(...Object.keys(CHANGES)),
  n: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)),
});

test('every held answer is the one that would be computed now', async () => {
  const statuses = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: CHANGES_A_RUN, maxLength: CHANGES_A_RUN }), async (changes) => {
      expect(await differences(twins)).toEqual([]);
      for (const { kind, n } of changes) {
        const answer = (await CHANGES[kind]!(twins, n)) as { status: number; text: string } | undefined;
        if (answer === undefined) continue;
        expect([kind, answer.status, answer.status < 500 || answer.text]).toEqual([kind, answer.status, true]);
        if (answer.status === 200) statuses.set(kind, (statuses.get(kind) ?? 0) + 1);
        expect({ after: { kind, n }, differences: await differences(twins) }).toEqual({
          after: { kind, n },
          differences: [],
        });
      }
    }),
    // The world goes on from run to run: a shorter list of changes would start from another one.
    { numRuns: RUNS, endOnFailure: true },
  );
  // Had hardly anything been allowed, this would show little: thirty changes of chance are of some fifteen kinds.
  expect(statuses.size).toBeGreaterThan(everything ? 5 : 1);
}, 600_000);

thorough.each([
  { table: 'secrets', kind: 'comment', n: [0, 0, 7] as const },
  { table: 'secret_imports', kind: 'imported', n: [2, 1, 0] as const },
  { table: 'folder_shares', kind: 'shared', n: [0, 0, 0] as const },
  { table: 'personal_secrets', kind: 'personal', n: [0, 0, 0] as const },
  { table: 'tags', kind: 'recolor', n: [0, 2, 0] as const },
])('the comparison sees a missing trigger of $table', async ({ table, kind, n }) => {
  const one = await startTwins();
  try {
    const { server, main } = one;
    const apply = (name: string, numbers: readonly [number, number, number]) => CHANGES[name]!(one, numbers);
    if (table === 'tags') await apply('tag', [0, 0, 2]);
    if (table === 'folder_shares') {
      await apply('shared', [0, 0, 0]);
      await apply('imported', [0, 0, 2]);
      await apply('withdrawn', [0, 0, 0]);
    }
    if (table === 'secret_imports') await server.setSecrets(main, 'dev', { INB: 'in b' }, '/b');
    expect(await differences(one)).toEqual([]);
    await server.sql.query(`alter table ${table} disable trigger user`);
    const answer = (await apply(kind, n)) as { status: number; text: string };
    expect([answer.status, answer.status === 200 || answer.text]).toEqual([200, true]);
    expect(await differences(one)).not.toEqual([]);
  } finally {
    await one.close();
  }
});
