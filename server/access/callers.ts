import type { Audit } from '../audit/audit.ts';
import { Seldom } from '../audit/seldom.ts';
import { Batch, type Load } from '../database/batch.ts';
import type { Database, Db } from '../database/database.ts';
import { tokenRefused, unavailable } from '../refusal.ts';
import { type Actor, actorOf } from './admitted.ts';
import type { Caller } from './caller.ts';
import { type Ask, admit, judge, takeUse, type Verdict } from './store.ts';

const RECORD_DEAD_TOKENS_MS = 60_000;

/** What the database says of a caller whose token lives. */
export type LiveVerdict = Verdict & { readonly actor: Actor };

/**
 * Knows the living callers from the dead: whoever comes with a token that is unknown, revoked, expired, used up or sent
 * from elsewhere is refused, with an audit record. Requests that wait at the same moment are judged by one statement.
 */
export class Callers {
  readonly #path: Database;
  readonly #audit: Audit;
  readonly #gate: Batch<Ask, Verdict>;
  readonly #deadTokens = new Seldom(RECORD_DEAD_TOKENS_MS);
  /** Callers, one object a request, that have taken their use. */
  readonly #used = new WeakSet<Caller>();

  /** @param path the pool that verdicts are asked over */
  constructor(path: Database, audit: Audit) {
    this.#path = path;
    this.#audit = audit;
    this.#gate = new Batch<Ask, Verdict>(
      { size: 200, lanes: 2, waiting: 20_000, overflow: () => unavailable('too many requests are waiting') },
      (asks) => admit(path, asks),
    );
  }

  get gate(): Load {
    return this.#gate;
  }

  /** Asks for a caller and, with `held`, whether the answer in memory may be served. Refuses dead tokens. */
  async verdict(caller: Caller, about: Partial<Ask> = {}): Promise<LiveVerdict> {
    const ask = { ...caller.origin, tokenId: caller.tokenId, ...about };
    if (!(await this.#hasUse(caller))) await this.#exhausted(caller, { ...ask, held: undefined });
    return this.live(caller, await this.#gate.add(ask));
  }

  /** A request takes one use of a limited token, however often it asks: a read that starts over, or asks of two things. */
  async #hasUse(caller: Caller): Promise<boolean> {
    if (!caller.usesLimited || this.#used.has(caller)) return true;
    this.#used.add(caller);
    return takeUse(this.#path, caller.tokenId);
  }

  /** Refuses a token without uses, or for what ended it before. */
  async #exhausted(caller: Caller, ask: Ask): Promise<never> {
    const verdict = await this.live(caller, await this.#gate.add(ask));
    await this.#refusedToken(caller, verdict, 'token-exhausted');
    throw tokenRefused('this access token has been used as often as it may; log in again');
  }

  /** The verdict of after what the transaction holds, of a caller whose token lives still. */
  async judgeWithin(tx: Db, caller: Caller, about: Partial<Ask> = {}): Promise<LiveVerdict> {
    return this.live(caller, await judge(tx, { ...caller.origin, tokenId: caller.tokenId, ...about }));
  }

  /** The verdict, unless it is of a dead token: 401. */
  async live(caller: Caller, verdict: Verdict): Promise<LiveVerdict> {
    if (!verdict.tokenKnown || verdict.actorId === null) {
      this.#audit.refusedStranger('token-unknown');
      throw tokenRefused('this access token is no longer valid; log in again');
    }
    const actor = actorOf(verdict);
    // The signature says whose the token is. A row that says otherwise was changed past the server.
    if (verdict.actorId !== caller.actorId) {
      await this.#refusedToken(caller, { ...verdict, actor }, 'token-row-changed');
      throw tokenRefused('this access token is no longer valid; log in again');
    }
    const dead = verdict.revoked ? 'revoked' : verdict.expired ? 'expired' : verdict.ipTrusted ? undefined : 'ip';
    if (dead === undefined) return { ...verdict, actor };
    await this.#refusedToken(caller, { ...verdict, actor }, `token-${dead}`);
    throw tokenRefused(
      {
        revoked: 'this access token has been revoked; log in again',
        expired: 'this access token has expired; log in again',
        ip: `this access token may not be used from ${caller.origin.ip}`,
      }[dead],
    );
  }

  /** A dead token can be sent again and again by whoever has it: a record a minute, and the rest is counted. */
  async #refusedToken(caller: Caller, verdict: LiveVerdict, event: string): Promise<void> {
    this.#audit.refusedStranger(event);
    if (this.#deadTokens.isFirst(`${caller.tokenId} ${event}`)) await this.refused(caller, verdict, event, {});
  }

  /** Records a refusal of something that is not within a project. */
  async refused(caller: Caller, verdict: LiveVerdict, event: string, metadata: Record<string, unknown>): Promise<void> {
    await this.#audit.write({
      action: 'read',
      event,
      outcome: 'refused',
      actor: verdict.actor,
      organizationId: verdict.organizationId,
      metadata,
      origin: caller.origin,
    });
  }
}
