import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Outcome, WorkQueue, type WorkQueueOptions } from '../../operator/queue/work-queue.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A queue whose work ends when the test says so. */
function queueOf({ concurrency = 16, random = 1, partyOf = undefined as WorkQueueOptions['partyOf'] } = {}) {
  const begun: string[] = [];
  const under = new Map<string, PromiseWithResolvers<Outcome>>();
  const waits: number[] = [];
  const queue = new WorkQueue({
    work: (key) => {
      begun.push(key);
      const work = Promise.withResolvers<Outcome>();
      under.set(key, work);
      return work.promise;
    },
    onFailure: (_key, _error, waitMs) => waits.push(waitMs),
    concurrency,
    firstWaitMs: 100,
    longestWaitMs: 1000,
    random: () => random,
    ...(partyOf && { partyOf }),
  });
  const end = async (key: string, outcome: Outcome | Error = {}) => {
    const work = under.get(key)!;
    if (outcome instanceof Error) work.reject(outcome);
    else work.resolve(outcome);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { queue, begun, waits, end };
}

test('one key is never worked on twice at once; what came meanwhile is done once afterwards', async () => {
  const { queue, begun, end } = queueOf();
  queue.add('a');
  queue.add('a');
  queue.add('a');
  expect(begun).toEqual(['a']);
  await end('a');
  expect(begun).toEqual(['a', 'a']);
  await end('a');
  expect(begun).toEqual(['a', 'a']);
});

test('no more is under way than allowed, and the rest follows in order', async () => {
  const { queue, begun, end } = queueOf({ concurrency: 2 });
  for (const key of ['a', 'b', 'c', 'd']) queue.add(key);
  expect(begun).toEqual(['a', 'b']);
  expect(queue.depth).toBe(2);
  await end('b');
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('failures wait twice as long each time, up to a bound, and a success forgets them', async () => {
  const { queue, begun, waits, end } = queueOf();
  queue.add('a');
  for (const wait of [100, 200, 400, 800, 1000, 1000]) {
    await end('a', new Error('no'));
    expect(waits.at(-1)).toBe(wait);
    const before = begun.length;
    await vi.advanceTimersByTimeAsync(wait - 1);
    expect(begun).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun).toHaveLength(before + 1);
  }
  await end('a');
  queue.add('a');
  await end('a', new Error('no'));
  expect(waits.at(-1)).toBe(100);
});

test.each([
  { random: 0, wait: 500 },
  { random: 0.5, wait: 750 },
  { random: 1, wait: 1000 },
])('of those that failed together, each waits another part of the second half: $wait ms', async ({ random, wait }) => {
  const { queue, begun, waits, end } = queueOf({ random });
  queue.add('a');
  for (let n = 0; n < 5; n++) {
    await end('a', new Error('no'));
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(waits.at(-1)).toBe(wait);
  expect(begun).toHaveLength(6);
});

test('a change is worked on at once, whatever wait is under way', async () => {
  const { queue, begun, end } = queueOf();
  queue.add('a');
  await end('a', new Error('no'));
  queue.add('a');
  expect(begun).toEqual(['a', 'a']);
  await end('a');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(begun).toEqual(['a', 'a']);
});

test('the earlier of two times counts', async () => {
  const { queue, begun } = queueOf();
  queue.addIn('a', 500);
  queue.addIn('a', 200);
  queue.addIn('a', 900);
  await vi.advanceTimersByTimeAsync(199);
  expect(begun).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(begun).toEqual(['a']);
});

test('what is forgotten is not worked on', async () => {
  const { queue, begun } = queueOf();
  queue.addIn('a', 200);
  queue.forget('a');
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun).toEqual([]);
});

test('a stop waits for what is under way and begins nothing', async () => {
  const { queue, begun, end } = queueOf({ concurrency: 1 });
  queue.add('a');
  queue.add('b');
  let isStopped = false;
  const stopping = queue.stop().then(() => {
    isStopped = true;
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(isStopped).toBe(false);
  await end('a', { againInMs: 1 });
  await stopping;
  queue.add('c');
  await vi.advanceTimersByTimeAsync(1000);
  expect(begun).toEqual(['a']);
});

const ofNamespace = (key: string) => ({ name: key.split('/')[0]!, lane: key.split('/')[1]! });

test('a wait that is longer than a timer can be is no wait of a moment', async () => {
  const { queue, begun } = queueOf();
  queue.addIn('a', 60 * 86_400_000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(begun).toEqual([]);
});

test('a thousand of one party keep another waiting for one turn', async () => {
  const { queue, begun, end } = queueOf({ concurrency: 1, partyOf: ofNamespace });
  for (let n = 0; n < 1000; n++) queue.add(`evil/host/${n}`);
  queue.add('good/host/1');
  await end('evil/host/0');
  await end('evil/host/1');
  expect(begun).toEqual(['evil/host/0', 'evil/host/1', 'good/host/1']);
});

test('what never ends takes the place of nobody else', async () => {
  const { queue, begun } = queueOf({ concurrency: 4, partyOf: ofNamespace });
  for (let n = 0; n < 1000; n++) queue.add(`evil/host-${n}/${n}`);
  await vi.advanceTimersByTimeAsync(60_000);
  const ofEvil = begun.length;
  queue.add('good/host/1');
  expect(begun.at(-1)).toBe('good/host/1');
  expect(ofEvil).toBeLessThanOrEqual(40);
});

test('a host that never answers leaves the other hosts of its namespace alone', async () => {
  const { queue, begun } = queueOf({ concurrency: 4, partyOf: ofNamespace });
  for (let n = 0; n < 100; n++) queue.add(`hanzo/hangs/${n}`);
  await vi.advanceTimersByTimeAsync(60_000);
  queue.add('hanzo/answers/1');
  expect(begun.at(-1)).toBe('hanzo/answers/1');
});

test('what was slow and has ended makes room again', async () => {
  const { queue, begun, end } = queueOf({ concurrency: 4, partyOf: ofNamespace });
  for (let n = 0; n < 13; n++) queue.add(`hanzo/hangs/${n}`);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(begun).not.toContain('hanzo/hangs/12');
  for (let n = 0; n < 12; n++) await end(`hanzo/hangs/${n}`);
  expect(begun).toContain('hanzo/hangs/12');
  const stopped = queue.stop();
  await end('hanzo/hangs/12');
  await stopped;
});
