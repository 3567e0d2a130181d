import type { Logger } from 'pino';
import { KubernetesError } from './kubernetes/errors.ts';
import type { OperatorMetrics } from './metrics.ts';
import { plainText } from './plain-text.ts';

/** Counts and logs what goes wrong beside the turns, and is tried again by itself. */
export function troublesOf(metrics: OperatorMetrics, log: Logger) {
  return (what: 'watch' | 'stream' | 'event' | 'reload', detail: string) =>
    (error: unknown): void => {
      if (error instanceof KubernetesError && error.isExpired) {
        metrics.trouble('expired');
        log.info({ what: detail }, 'the history since the last look is gone, all is listed again');
        return;
      }
      metrics.trouble(what);
      log.warn({ what: detail, problem: messageOf(error) }, 'trouble, tried again');
    };
}

/** Messages of ours, of KMS and of the API server name things and never hold a value. */
export function messageOf(error: unknown): string {
  return plainText(error instanceof Error ? error.message : String(error));
}
