import { expect, test } from 'vitest';
import { ClusterClock } from '../../operator/kubernetes/cluster-clock.ts';

const TRUE_START = Date.parse('2026-01-01T00:00:00Z');
/** What an API server shows at a moment, in milliseconds of the own clock: whole seconds. */
const headerAt = (own: number, ahead = 0) => new Date(TRUE_START + own + ahead).toUTCString();

test('many answers tell the time of the cluster closer than one', () => {
  let own = 0;
  const clock = new ClusterClock(() => own);
  for (own = 700; own < 20_000; own += 730) clock.see(headerAt(own));
  const error = TRUE_START + own - clock.now().getTime();
  expect(error).toBeGreaterThanOrEqual(0);
  expect(error).toBeLessThan(100);
});

test.each([3_600_000, -3_600_000])('a clock that was set by %i ms is followed', (ahead) => {
  let own = 0;
  const clock = new ClusterClock(() => own);
  clock.see(headerAt(own));
  own += 5000;
  clock.see(headerAt(own, ahead));
  expect(Math.abs(TRUE_START + own + ahead - clock.now().getTime())).toBeLessThanOrEqual(1000);
});

test('what is no date is ignored', () => {
  const clock = new ClusterClock(() => 0);
  clock.see('yesterday');
  clock.see(undefined);
  expect(Math.abs(clock.now().getTime() - Date.now())).toBeLessThan(60_000);
});
