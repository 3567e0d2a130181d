import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Batch, type BatchOptions } from '../../../server/database/batch.ts';

const options: BatchOptions = { size: 10, lanes: 1, waiting: 100, overflow: () => new Error('too many are waiting') };
const databaseError = (code: string) => Object.assign(new Error(`database error ${code}`), { code });

/** A batch that doubles numbers, and what it was asked in which groups. */
function doubling(
  given: Partial<BatchOptions> = {},
  before: (items: readonly number[]) => void | Promise<void> = () => undefined,
) {
  const groups: number[][] = [];
  const batch = new Batch<number, number>({ ...options, ...given }, async (items) => {
    groups.push([...items]);
    await before(items);
    return items.map((item) => item * 2);
  });
  return { batch, groups };
}
const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const doubled = (count: number) => numbers(count).map((n) => n * 2);

test('items of one turn share one group', async () => {
  const { batch, groups } = doubling();
  expect(await Promise.all(numbers(7).map((n) => batch.add(n)))).toEqual(doubled(7));
  expect(groups).toEqual([numbers(7)]);
});

test('a group holds no more than its size', async () => {
  const { batch, groups } = doubling({ size: 4 });
  expect(await Promise.all(numbers(10).map((n) => batch.add(n)))).toEqual(doubled(10));
  expect(groups.map(({ length }) => length)).toEqual([4, 4, 2]);
});

test('items wait in one next group while lanes are busy', async () => {
  const gate = Promise.withResolvers<void>();
  let underWay = 0;
  let most = 0;
  const { batch, groups } = doubling({ lanes: 2 }, async () => {
    most = Math.max(most, ++underWay);
    await gate.promise;
    underWay--;
  });
  const results: Promise<number>[] = [];
  for (const n of numbers(8)) {
    results.push(batch.add(n));
    await turn();
    await turn();
  }
  expect(groups).toEqual([[0], [1]]);
  gate.resolve();
  expect(await Promise.all(results)).toEqual(doubled(8));
  expect(groups).toEqual([[0], [1], [2, 3, 4, 5, 6, 7]]);
  expect(most).toBe(2);
});

test('a failing group is split until the culprit fails alone', async () => {
  const { batch, groups } = doubling({ size: 64 }, (items) => {
    if (items.includes(37)) throw databaseError('P0001');
  });
  const results = await Promise.allSettled(numbers(64).map((n) => batch.add(n)));
  const failed = results.flatMap((result, n) => (result.status === 'rejected' ? [n] : []));
  expect(failed).toEqual([37]);
  expect(results[36]).toEqual({ status: 'fulfilled', value: 72 });
  // One run of all, then two halves each time the culprit is in one: 1 + 2 * log2(64).
  expect(groups.length).toBe(13);
});

test.each([
  { name: 'a lost connection', error: new Error('Connection terminated unexpectedly') },
  { name: 'a refused connection', error: databaseError('ECONNREFUSED') },
  { name: 'a broken pipe', error: databaseError('EPIPE') },
  { name: 'a shutdown', error: databaseError('57P01') },
  { name: 'a full disk', error: databaseError('53100') },
  { name: 'a statement that took too long', error: databaseError('57014') },
  { name: 'a lock that was not had', error: databaseError('55P03') },
  { name: 'a standby', error: databaseError('25006') },
])('$name fails a whole group at once', async ({ error }) => {
  const { batch, groups } = doubling({}, () => {
    throw error;
  });
  const results = await Promise.allSettled(numbers(8).map((n) => batch.add(n)));
  for (const result of results) expect(result).toEqual({ status: 'rejected', reason: error });
  expect(groups.length).toBe(1);
});

test('a batch goes on after a group that failed', async () => {
  let fails = true;
  const { batch } = doubling({}, () => {
    if (fails) throw databaseError('57P01');
  });
  await expect(batch.add(1)).rejects.toThrow('57P01');
  fails = false;
  expect(await batch.add(2)).toBe(4);
});

test('one more than may wait is turned down at once', async () => {
  const gate = Promise.withResolvers<void>();
  const { batch } = doubling({ size: 2, waiting: 3 }, () => gate.promise);
  const first = numbers(3).map((n) => batch.add(n));
  await expect(batch.add(3)).rejects.toThrow('too many are waiting');
  await turn();
  await turn();
  // The group under way waits no more, so there is room for two again.
  const later = [batch.add(4), batch.add(5)];
  await expect(batch.add(6)).rejects.toThrow('too many are waiting');
  gate.resolve();
  expect(await Promise.all([...first, ...later])).toEqual([0, 2, 4, 8, 10]);
});

test('no two groups under way hold items of one key', async () => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let group = 0;
  const keyOf = (item: unknown) => String((item as number) % 2);
  const { batch, groups } = doubling({ lanes: 2, size: 1, keyOf }, () => gates[group++]!.promise);
  const results = [0, 2, 1].map((n) => batch.add(n));
  await turn();
  await turn();
  expect(groups).toEqual([[0], [1]]);
  for (const gate of gates) gate.resolve();
  expect(await Promise.all(results)).toEqual([0, 4, 2]);
  expect(groups).toEqual([[0], [1], [2]]);
});

test('a further group waits until it is as large as the one under way', async () => {
  const gate = Promise.withResolvers<void>();
  const { batch, groups } = doubling({ lanes: 2, even: true }, () => gate.promise);
  const first = numbers(2).map((n) => batch.add(n));
  await turn();
  await turn();
  const second = batch.add(2);
  await turn();
  await turn();
  expect(groups).toEqual([[0, 1]]);
  const third = batch.add(3);
  await turn();
  await turn();
  expect(groups).toEqual([
    [0, 1],
    [2, 3],
  ]);
  const last = batch.add(4);
  gate.resolve();
  expect(await Promise.all([...first, second, third, last])).toEqual([0, 2, 4, 6, 8]);
});

test('a group waits for as many as the one before had', async () => {
  const { batch, groups } = doubling({ gatherUs: 10_000_000 });
  await Promise.all(numbers(3).map((n) => batch.add(n)));
  const first = [batch.add(0), batch.add(1)];
  for (let turns = 0; turns < 5; turns++) await turn();
  expect(groups).toHaveLength(1);
  await Promise.all([...first, batch.add(2)]);
  expect(groups).toEqual([numbers(3), numbers(3)]);
});

test('a group waits no longer than told for those that stay away', async () => {
  const { batch, groups } = doubling({ gatherUs: 1 });
  await Promise.all(numbers(3).map((n) => batch.add(n)));
  await batch.add(0);
  expect(groups).toEqual([numbers(3), [0]]);
});
