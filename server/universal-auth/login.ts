import { type AccessToken, Uuid } from '../../contracts/index.ts';
import { clientSecretMac } from '../../keys/index.ts';
import type { Audit } from '../audit/audit.ts';
import { Seldom } from '../audit/seldom.ts';
import type { AuditRecord, Origin } from '../audit/store.ts';
import { Batch } from '../database/batch.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { forbidden, Refusal, unauthorized, unavailable } from '../refusal.ts';
import type { Tokens } from '../tokens/service.ts';
import { type ClientSecretFamilies, type Renewed, superseded } from './families.ts';
import { recognizeByFormerKeys } from './former-keys.ts';
import { type LoginAsk, type LoginOutcome, logIn } from './login-store.ts';
import { replaceMac } from './store.ts';
import type { WrongSecrets } from './wrong-secrets.ts';

/** Wrong secrets for a client id that exists are recorded once in this time; the rest are counted. Client ids are public. */
const RECORD_WRONG_MS = 60_000;

/** The login of Universal Auth (HIP-27): client id and client secret for a token. Logins that wait together share a statement. */
export class UniversalAuthLogin {
  readonly #db: Database;
  readonly #lastSeen: LastSeen;
  readonly #audit: Audit;
  readonly #keyring: Keyring;
  readonly #tokens: Tokens;
  readonly #wrongSecrets: WrongSecrets;
  readonly #families: ClientSecretFamilies;
  readonly #wrong = new Seldom(RECORD_WRONG_MS);
  readonly #logins: Batch<LoginAsk, LoginOutcome>;

  /** @param options.path the pool of short statements, which logins share with the request path */
  constructor(options: {
    db: Database;
    path: Database;
    audit: Audit;
    keyring: Keyring;
    tokens: Tokens;
    wrongSecrets: WrongSecrets;
    lastSeen: LastSeen;
    families: ClientSecretFamilies;
  }) {
    this.#db = options.db;
    this.#lastSeen = options.lastSeen;
    this.#audit = options.audit;
    this.#keyring = options.keyring;
    this.#tokens = options.tokens;
    this.#wrongSecrets = options.wrongSecrets;
    this.#families = options.families;
    this.#logins = new Batch<LoginAsk, LoginOutcome>(
      { size: 100, lanes: 1, waiting: 10_000, overflow: () => unavailable('too many logins are waiting') },
      (asks) => logIn(options.path, asks),
    );
  }

  /** An unknown client id and a wrong secret get the same answer for the same work. */
  async logIn(clientId: string, clientSecret: string, origin: Origin): Promise<AccessToken> {
    return this.#tokens.answer((await this.#letIn(clientId, clientSecret, origin)).token);
  }

  /**
   * Makes the successor of a client secret for whoever logs in with it. That it is a login makes the rest one rule: who may, from
   * where, how often, and that its own predecessor has had its time.
   */
  async renew(clientId: string, clientSecret: string, origin: Origin): Promise<Renewed> {
    const { identity, token } = await this.#letIn(clientId, clientSecret, origin);
    return this.#families.renew(identity, token.clientSecretId!, origin);
  }

  async #letIn(clientId: string, clientSecret: string, origin: Origin) {
    const id = Uuid.safeParse(clientId).data;
    const outcome = id === undefined ? undefined : await this.#recognize({ ...origin, clientId: id }, clientSecret);
    if (outcome?.identity && outcome.token) {
      this.#lastSeen.loggedIn(outcome.token.actorId, 'universal-auth');
      return { identity: outcome.identity, token: outcome.token };
    }
    if (outcome?.identity && outcome.superseded) {
      await this.#families.reused(outcome.identity, outcome.superseded, origin);
      throw superseded();
    }
    if (!outcome?.matches) return this.#refuseWrong(id, outcome, origin);
    if (!outcome.ipTrusted) {
      await this.#audit.write(refusedLogin(outcome, origin, 'address'));
      throw forbidden(`this identity may not log in from ${origin.ip}`);
    }
    await this.#audit.write(refusedLogin(outcome, origin, 'exhausted'));
    throw unauthorized('Invalid credentials: this client secret has ended, or has been used as often as it may');
  }

  /**
   * After the key of MACs was replaced, a secret from before is recognized by the former one, and known by the newest from
   * then on. An unknown client id takes the same questions. And one that another replica has just made may be known by a key
   * that this one has not heard of: the database says so, and then it looks, once a second at most.
   */
  async #recognize(who: Omit<LoginAsk, 'mac'>, clientSecret: string): Promise<LoginOutcome> {
    const version = this.#keyring.clientSecretMacVersion;
    const ask = { ...who, mac: clientSecretMac(this.#keyring.clientSecretMacKey, clientSecret) };
    const newest = await this.#logins.add(ask);
    if (newest.matches) return newest;
    if (newest.keyVersion > version) await this.#keyring.lookAgain();
    if (this.#keyring.clientSecretMacVersion > version) return this.#recognize(who, clientSecret);
    const before = await recognizeByFormerKeys(this.#db, this.#keyring, ask.clientId, clientSecret);
    if (before === undefined) return newest;
    if (!before.isAttested) {
      if (this.#wrong.isFirst(before.id)) await this.#audit.write(refusedLogin(newest, ask, 'unattested'));
      return newest;
    }
    const outcome = await this.#logins.add({ ...ask, mac: before.mac });
    if (outcome.token) await replaceMac(this.#db, before, { mac: ask.mac, version });
    return outcome;
  }

  async #refuseWrong(clientId: string | undefined, outcome: LoginOutcome | undefined, origin: Origin): Promise<never> {
    const known = outcome?.identity;
    this.#audit.refusedStranger(known ? 'login-wrong-secret' : 'login-unknown-client');
    if (outcome && known && this.#wrong.isFirst(known.id))
      await this.#audit.write(refusedLogin(outcome, origin, 'secret'));
    const seconds = outcome?.lockout ? await this.#wrongSecrets.note(clientId!, origin.ip, outcome.lockout) : 0;
    if (seconds > 0) {
      throw new Refusal(
        'rateLimited',
        `too many wrong client secrets for this client id; try again in ${seconds} seconds`,
        {
          details: { retryAfterSeconds: seconds },
        },
      );
    }
    throw unauthorized(
      'Invalid credentials: this client id and client secret do not go together, or the secret has ended',
    );
  }
}

function refusedLogin({ identity }: LoginOutcome, origin: Origin, reason: string): AuditRecord {
  return {
    action: 'login',
    event: 'login-identity-universal-auth',
    outcome: 'refused',
    actor: { kind: 'identity', id: identity?.id, name: identity?.name },
    organizationId: identity?.organizationId,
    metadata: { reason },
    origin,
  };
}
