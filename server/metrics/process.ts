import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from './metrics.ts';

/** How often the event loop's delay is looked at. */
const RESOLUTION_MS = 20;
const QUANTILES = [0.5, 0.9, 0.99];

/**
 * Tells of the process itself. The delay of the event loop is watched by a timer of its own, so this is only called when
 * there is somebody to tell.
 *
 * @returns ends the watch
 */
export function tellProcess(metrics: Metrics): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  metrics.gauge('kms_event_loop_delay_seconds', 'how late the event loop was, since the last look', () => {
    // The timer itself takes its resolution; what is above that is delay.
    const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1e3);
    const read = QUANTILES.map(
      (quantile) => [{ quantile: String(quantile) }, late(delay.percentile(quantile * 100))] as const,
    );
    const all = [...read, [{ quantile: '1' }, late(delay.max)] as const];
    delay.reset();
    return all;
  });
  metrics.gauge('kms_process_memory_bytes', 'memory of the process, by kind', () => {
    const { rss, heapUsed, external } = process.memoryUsage();
    return [
      [{ kind: 'resident' }, rss],
      [{ kind: 'heap' }, heapUsed],
      [{ kind: 'external' }, external],
    ];
  });
  metrics.counter('kms_process_cpu_seconds_total', 'processor time used', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  metrics.gauge('kms_process_start_time_seconds', 'when the process began', () => performance.timeOrigin / 1e3);
  return () => delay.disable();
}
