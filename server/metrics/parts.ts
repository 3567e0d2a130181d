import { VERSION } from '../../contracts/index.ts';
import type { Access } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Load } from '../database/batch.ts';
import type { Database } from '../database/database.ts';
import type { Events } from '../events/service.ts';
import type { Limits } from '../limits/limits.ts';
import type { RedisCounter } from '../limits/redis.ts';
import type { Answers } from '../secrets/answers.ts';
import type { Writes } from '../secrets/writes.ts';
import type { ClientSecretFamilies } from '../universal-auth/families.ts';
import type { Faults } from './faults.ts';
import type { Metrics } from './metrics.ts';

interface Parts {
  readonly pools: Readonly<Record<string, Database>>;
  readonly access: Access;
  readonly audit: Audit;
  readonly answers: Answers;
  readonly events: Events;
  readonly writes: Writes;
  readonly limits: Limits;
  readonly redis: RedisCounter | undefined;
  readonly faults: Faults;
  readonly families: ClientSecretFamilies;
}

/** Registers what the server's own parts count. */
export function tellParts(metrics: Metrics, parts: Parts): void {
  const { pools, access, audit, answers, events, writes, limits, redis, faults, families } = parts;
  metrics.gauge('kms_info', 'the version that runs', () => [[{ version: VERSION }, 1]]);

  const groups: Record<string, Load> = {
    verdicts: access.gate,
    passes: access.passes,
    audit: audit.batch,
    writes: writes.groups,
  };
  metrics.histogram('kms_group_size', 'requests that shared one statement, or writes that shared one transaction', () =>
    Object.entries(groups).map(([group, { sizes }]) => [{ group }, sizes]),
  );
  metrics.gauge('kms_group_waiting', 'requests, audit records or writes that wait for a group', () =>
    Object.entries(groups).map(([group, { waiting }]) => [{ group }, waiting]),
  );

  metrics.gauge('kms_database_connections', 'connections of each pool, by what they do', () =>
    Object.entries(pools).flatMap(([pool, database]) =>
      Object.entries(database.connections).map(([state, count]) => [{ pool, state }, count] as const),
    ),
  );

  metrics.counter('kms_cache_lookups_total', 'questions asked of the answers in memory', () => [
    [{ result: 'held' }, answers.found],
    [{ result: 'missing' }, answers.missing],
  ]);
  metrics.counter('kms_cache_fills_total', 'answers that were read from the database', () => answers.fills);
  metrics.gauge('kms_cache_answers', 'answers in memory', () => answers.size);
  metrics.gauge('kms_cache_bytes', 'what the answers in memory take', () => answers.bytes);

  metrics.gauge('kms_event_streams', 'event streams that are open', () => events.count);
  metrics.counter('kms_event_streams_ended_total', 'event streams that ended, by why', () =>
    events.endings.entries('why'),
  );

  metrics.counter('kms_refusals_total', 'requests turned down, by kind', () => faults.refusals.entries('kind'));
  metrics.counter('kms_refused_strangers_total', 'callers turned down before anybody knew them, by reason', () =>
    audit.strangers.entries('reason'),
  );
  metrics.counter('kms_seal_failures_total', 'stored values or keys that did not open', () => faults.seals);
  metrics.counter(
    'kms_client_secret_families_revoked_total',
    'families of client secrets that ended since one of them was used after its successor',
    () => families.revoked,
  );
  metrics.counter('kms_rate_limited_total', 'requests beyond a limit, by class', () =>
    limits.refusals.entries('class'),
  );
  if (redis) {
    metrics.gauge('kms_redis_up', 'whether Redis answers', () => (redis.state === 'ok' ? 1 : 0));
    metrics.counter('kms_redis_losses_total', 'times that Redis went away', () => redis.losses);
  }
}
