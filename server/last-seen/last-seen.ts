import type { Database } from '../database/database.ts';
import type { Jobs } from '../metrics/job.ts';
import { addUses, setLogins } from './store.ts';

const FLUSH_MS = 60_000;
/** Tokens and logins noted between two flushes; more of them are written out at once. */
const NOTED_AT_MOST = 5_000;

interface Noted {
  uses: number;
  usedAt: number | null;
  renewedAt: number | null;
}
interface LoggedIn {
  readonly actorId: string;
  readonly organizationId: string | null;
  readonly method: string;
  readonly at: number;
}

/**
 * When tokens were last used, and members last logged in. Lists show it and nothing depends on it, so that it is noted in memory, and
 * written once a minute for all that were seen. Whoever asks this replica sees what it knows; what others saw comes a minute later at
 * most. A process that dies loses its last minute.
 */
export class LastSeen {
  readonly #db: Database;
  #tokens = new Map<string, Noted>();
  #logins = new Map<string, LoggedIn>();
  #stop: (() => void) | undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  start(jobs: Jobs): void {
    this.#stop = jobs.job('last-seen').every(FLUSH_MS, () => this.flush());
  }

  async stop(): Promise<void> {
    this.#stop?.();
    await this.flush();
  }

  used(tokenId: string): void {
    const noted = this.#noted(tokenId);
    noted.uses++;
    noted.usedAt = performance.now();
  }

  renewed(tokenId: string): void {
    this.#noted(tokenId).renewedAt = performance.now();
  }

  /** @param organizationId which was entered; absent: an identity's own */
  loggedIn(actorId: string, method: string, organizationId: string | null = null): void {
    this.#logins.set(`${actorId} ${organizationId}`, { actorId, organizationId, method, at: performance.now() });
    if (this.#logins.size >= NOTED_AT_MOST) void this.settle();
  }

  /** Writes down what is noted. What cannot be written is kept for the next time, as far as there is room. */
  async flush(): Promise<void> {
    const [tokens, logins] = [this.#tokens, this.#logins];
    if (tokens.size + logins.size === 0) return;
    this.#tokens = new Map();
    this.#logins = new Map();
    const now = performance.now();
    const ago = (at: number | null) => (at === null ? null : now - at);
    try {
      if (tokens.size > 0)
        await addUses(
          this.#db,
          [...tokens].map(([tokenId, { uses, usedAt, renewedAt }]) => ({
            ...{ tokenId, uses, usedAgo: ago(usedAt), renewedAgo: ago(renewedAt) },
          })),
        );
      tokens.clear();
      if (logins.size > 0)
        await setLogins(
          this.#db,
          [...logins.values()].map(({ at, ...login }) => ({ ...login, ago: now - at })),
        );
    } catch (error) {
      this.#keep(tokens, logins);
      throw error;
    }
  }

  /** As `flush`, before something is shown: that it cannot be written now hinders nobody. */
  async settle(): Promise<void> {
    await this.flush().catch(() => undefined);
  }

  #noted(tokenId: string): Noted {
    const known = this.#tokens.get(tokenId);
    if (known) return known;
    const noted = { uses: 0, usedAt: null, renewedAt: null };
    this.#tokens.set(tokenId, noted);
    if (this.#tokens.size >= NOTED_AT_MOST) setImmediate(() => void this.settle());
    return noted;
  }

  #keep(tokens: ReadonlyMap<string, Noted>, logins: ReadonlyMap<string, LoggedIn>): void {
    for (const [tokenId, noted] of tokens) {
      if (!this.#tokens.has(tokenId) && this.#tokens.size >= NOTED_AT_MOST - 1) continue;
      const now = this.#noted(tokenId);
      now.uses += noted.uses;
      now.usedAt ??= noted.usedAt;
      now.renewedAt ??= noted.renewedAt;
    }
    for (const [name, login] of logins) {
      if (!this.#logins.has(name) && this.#logins.size < NOTED_AT_MOST - 1) this.#logins.set(name, login);
    }
  }
}
