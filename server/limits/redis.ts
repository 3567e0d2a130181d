import { Redis } from 'ioredis';
import { redisAddress } from './redis-tls.ts';

/** Adds to counters that all replicas share. */
export interface SharedCounter {
  /** @returns the new totals, or nothing when the store is away */
  add(counts: readonly { readonly key: string; readonly by: number }[]): Promise<number[] | undefined>;
}

export type RedisState = 'ok' | 'unavailable';

/** Twice the window: a replica whose clock is behind still finds what the others counted. */
const KEEP_MS = 120_000;
const GIVE_UP_MS = 1_000;
const LONGEST_PAUSE_MS = 2_000;

/** All of it or nothing, in one round trip: half a batch would be counted twice. */
const ADD = `
  local totals = {}
  for n, key in ipairs(KEYS) do
    totals[n] = redis.call('INCRBY', key, ARGV[n + 1])
    redis.call('PEXPIRE', key, ARGV[1])
  end
  return totals`;

/** How a change of state is told: a constant message, without the address, which may hold a password. */
export interface RedisLog {
  warn(details: object, message: string): void;
  info(details: object, message: string): void;
}

/**
 * Redis, for what may be lost: counts of limits, and nothing else. It never holds a name, a token or a value, and no
 * request ever waits for it. When it dies, everything goes on; `/api/status` and the metrics say so.
 */
export class RedisCounter implements SharedCounter {
  readonly #redis: Redis;
  readonly #log: RedisLog;
  #state: RedisState | undefined;
  /** Times that it went away. */
  losses = 0;

  constructor(given: string, log: RedisLog) {
    const { url, tls } = redisAddress(given);
    this.#log = log;
    this.#redis = new Redis(url, {
      ...(tls && { tls }),
      connectionName: 'kms-server',
      // Nothing queues up while it is away: what is not told now is told with a later batch.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      commandTimeout: GIVE_UP_MS,
      connectTimeout: GIVE_UP_MS * 5,
      retryStrategy: (times) => Math.min(times * 100, LONGEST_PAUSE_MS),
      scripts: { addCounts: { lua: ADD } },
    });
    this.#redis.on('ready', () => this.#become('ok'));
    this.#redis.on('close', () => this.#become('unavailable'));
    this.#redis.on('error', (error: Error & { code?: string }) => this.#become('unavailable', error.code));
  }

  get state(): RedisState {
    return this.#state ?? 'unavailable';
  }

  /** Asks whether it answers, and waits a second at most. */
  async check(): Promise<RedisState> {
    try {
      await this.#redis.ping();
      this.#become('ok');
    } catch {
      this.#become('unavailable');
    }
    return this.state;
  }

  async add(counts: readonly { readonly key: string; readonly by: number }[]): Promise<number[] | undefined> {
    if (this.#redis.status !== 'ready') return undefined;
    try {
      const keys = counts.map(({ key }) => key);
      const amounts = counts.map(({ by }) => by);
      const { addCounts } = this.#redis as unknown as {
        addCounts(numberOfKeys: number, ...more: (string | number)[]): Promise<number[]>;
      };
      const totals = await addCounts.call(this.#redis, keys.length, ...keys, KEEP_MS, ...amounts);
      this.#become('ok');
      return totals;
    } catch (error) {
      this.#become('unavailable', (error as { code?: string }).code);
      return undefined;
    }
  }

  #become(state: RedisState, code?: string): void {
    if (state === this.#state) return;
    this.#state = state;
    if (state === 'ok') {
      this.#log.info({}, 'redis is there; limits are shared');
      return;
    }
    this.losses++;
    this.#log.warn({ code }, 'redis is away; each replica counts its limits for itself');
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }
}
