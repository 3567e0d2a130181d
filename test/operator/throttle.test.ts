import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Throttle } from '../../operator/kms/throttle.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('the first runs at once, and of a flood the last is not lost', () => {
  let runs = 0;
  const throttle = new Throttle(() => runs++, 500);
  throttle.ask();
  expect(runs).toBe(1);
  for (let n = 0; n < 10_000; n++) throttle.ask();
  expect(runs).toBe(1);
  vi.advanceTimersByTime(500);
  expect(runs).toBe(2);
  vi.advanceTimersByTime(5000);
  expect(runs).toBe(2);
  throttle.ask();
  expect(runs).toBe(3);
});

test('what is stopped runs no more', () => {
  let runs = 0;
  const throttle = new Throttle(() => runs++, 500);
  throttle.ask();
  throttle.ask();
  throttle.stop();
  vi.advanceTimersByTime(5000);
  expect(runs).toBe(1);
});
