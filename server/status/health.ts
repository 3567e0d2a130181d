import { setTimeout as sleep } from 'node:timers/promises';
import { asRefusal, type Db } from '../database/database.ts';
import { Refusal } from '../refusal.ts';
import { type Probe, probe } from './store.ts';

export interface HealthOptions {
  readonly db: Db;
  /** Whether this process holds the root key of that fingerprint. */
  readonly opens: (fingerprint: string | null) => boolean;
  readonly redis: () => Promise<RedisHealth>;
  /** Whether the server has begun to stop, and wants no new requests. */
  readonly stopping: () => boolean;
}

type RedisHealth = 'ok' | 'unavailable' | 'off';

/** The parts that serving depends on, and Redis, which it does not depend on. */
export interface Health {
  readonly database: 'ok' | 'unavailable';
  readonly encryption: 'ok' | 'unavailable';
  readonly audit: 'ok' | 'unavailable';
  readonly redis: RedisHealth;
  readonly draining: boolean;
}

/** For how long a finding is good: the status may be asked by anybody, as often as they like. */
const FRESH_MS = 250;
/** Who asks for the status has no longer than this. */
const ANSWER_WITHIN_MS = 3_000;

type Found = { readonly redis: RedisHealth } & ({ readonly probe: Probe | undefined } | { readonly fault: unknown });

/** Finds out whether this replica can serve. One look at the database at once, however many ask. */
export class HealthCheck {
  readonly #on: HealthOptions;
  #found: { readonly what: Found; readonly at: number } | undefined;
  #looking: Promise<Found> | undefined;

  constructor(options: HealthOptions) {
    this.#on = options;
  }

  /** @throws Refusal, 503, with the state of every part, unless all is there that serving takes */
  async check(): Promise<Health> {
    const draining = this.#on.stopping();
    if (draining) throw refusal('this server is stopping', { draining });
    const found = await Promise.race([this.#look(), sleep(ANSWER_WITHIN_MS, undefined, { ref: false })]);
    if (found === undefined) throw refusal('the database does not answer', { database: 'unavailable', draining });
    const { redis } = found;
    if ('fault' in found) {
      const fault = asRefusal(found.fault);
      const message = fault instanceof Refusal ? fault.message : 'the database is not available';
      throw refusal(message, { database: 'unavailable', redis, draining }, found.fault);
    }
    const health = {
      database: 'ok',
      encryption: found.probe && this.#on.opens(found.probe.rootFingerprint) ? 'ok' : 'unavailable',
      audit: found.probe?.auditWritable ? 'ok' : 'unavailable',
      redis,
      draining,
    } as const;
    if (health.encryption !== 'ok') throw refusal('the database was made with another root key', health);
    if (health.audit !== 'ok') throw refusal('the audit cannot be written', health);
    return health;
  }

  async #look(): Promise<Found> {
    if (this.#found && performance.now() - this.#found.at < FRESH_MS) return this.#found.what;
    this.#looking ??= this.#lookAnew().then((what) => {
      this.#found = { what, at: performance.now() };
      this.#looking = undefined;
      return what;
    });
    return this.#looking;
  }

  async #lookAnew(): Promise<Found> {
    const redis = this.#on.redis();
    try {
      const found = await probe(this.#on.db);
      return { probe: found, redis: await redis };
    } catch (fault) {
      return { fault, redis: await redis };
    }
  }
}

const refusal = (message: string, details: Partial<Health>, cause?: unknown) =>
  new Refusal('unavailable', message, { details, cause });
