import type { FastifyBaseLogger } from 'fastify';
import { clientSecretMac, clientSecretPrefix, newClientSecret } from '../../keys/index.ts';
import type { Audit } from '../audit/audit.ts';
import type { AuditRecord, Origin } from '../audit/store.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { forbidden, Refusal, unauthorized } from '../refusal.ts';
import { deleteEnded, findRenewable, giveUpUnused, insertSuccessor, revokeWithFamily } from './families-store.ts';
import type { LoginOutcome, Superseded } from './login-store.ts';
import { type ClientSecretRow, lockUniversalAuth } from './store.ts';

/** A client secret that another one made. */
export interface Renewed {
  readonly clientSecret: string;
  readonly row: ClientSecretRow;
  /** Seconds until it ends. */
  readonly expiresIn: number;
}

/**
 * Secrets of one family that have not ended. Each has to be remembered until then, for its use gives a copy away; who renews when
 * most of a secret's time is over has three.
 */
const KEPT_AT_MOST = 1_000;

const refusals = {
  ended: () => unauthorized('Invalid credentials: this client secret ended a moment ago'),
  'not-renewable': () =>
    forbidden('this client secret may not be renewed: an admin of the organization makes one with renewable: true'),
  'renewals-ended': () =>
    forbidden('the renewals of this client secret end with it: an admin of the organization makes a new one'),
  'renewed-too-often': () =>
    new Refusal(
      'rateLimited',
      `this client secret and those before it were renewed ${KEPT_AT_MOST} times within their ttl; it goes on working, and can be renewed when the first of them have ended`,
    ),
} as const;

type Identity = NonNullable<LoginOutcome['identity']>;

/**
 * Families of client secrets: one that an admin made renewable, and those that descend from it, each made by the one before on the
 * same terms. Both work until the successor has been used; from then on the one before is good for nothing. Who uses it all the same
 * took it from somebody, or somebody took the successor: nobody can tell which, so all of the family end.
 */
export class ClientSecretFamilies {
  readonly #db: Database;
  readonly #audit: Audit;
  readonly #keyring: Keyring;
  /** Told of each family that ended for the use of one that had its time. */
  log: Pick<FastifyBaseLogger, 'error'> | undefined;
  /** How many those were. Anything above 0 wants a person. */
  revoked = 0;

  /** @param options.changes the pool of changes, whose transactions are attested */
  constructor(options: { changes: Database; audit: Audit; keyring: Keyring }) {
    this.#db = options.changes;
    this.#audit = options.audit;
    this.#keyring = options.keyring;
  }

  /**
   * Makes the successor of a client secret that was just logged in with.
   *
   * @throws Refusal forbidden where the admin who made it did not allow that, or its renewals end; rateLimited where the family is large; unauthorized where it ended meanwhile
   */
  async renew(identity: Identity, clientSecretId: string, origin: Origin): Promise<Renewed> {
    const clientSecret = newClientSecret();
    const renewed = await this.#db.transaction(async (tx) => {
      // Of all changes of a family one at a time: a successor that is made while it is revoked would outlive it.
      await lockUniversalAuth(tx, identity.id);
      const found = await findRenewable(tx, clientSecretId, identity.id);
      if (!found) return undefined;
      const { familyId: of } = found;
      if (of === null) return { refused: 'not-renewable' } as const;
      if (found.superseded) return { superseded: { clientSecretId, familyId: of } };
      if (found.isLast) return { refused: 'renewals-ended' } as const;
      if (found.kept >= KEPT_AT_MOST) return { refused: 'renewed-too-often' } as const;
      const { expiresIn, ...row } = await insertSuccessor(tx, clientSecretId, {
        mac: clientSecretMac(this.#keyring.clientSecretMacKey, clientSecret),
        macKeyVersion: this.#keyring.clientSecretMacVersion,
        prefix: clientSecretPrefix(clientSecret),
      });
      await giveUpUnused(tx, clientSecretId);
      await deleteEnded(tx, of);
      const { id, familyId, ttl } = row;
      await this.#audit.writeWithin(tx, [
        record(identity, origin, 'create', 'allowed', {
          identityId: identity.id,
          clientSecretId: id,
          predecessorId: clientSecretId,
          familyId,
          ttl,
        }),
      ]);
      return { clientSecret, row, expiresIn };
    });
    if (renewed && 'row' in renewed) return renewed as Renewed;
    if (renewed?.superseded) {
      await this.reused(identity, renewed.superseded, origin);
      throw superseded();
    }
    const reason = renewed?.refused ?? 'ended';
    await this.#audit.write(record(identity, origin, 'create', 'refused', { clientSecretId, reason }));
    throw refusals[reason]();
  }

  /** Ends the family of a secret that had its time, and tells. Once: the secrets of a family that ended are no secrets any more. */
  async reused(identity: Identity, { clientSecretId, familyId }: Superseded, origin: Origin): Promise<void> {
    const ended = await this.#db.transaction(async (tx) => {
      await lockUniversalAuth(tx, identity.id);
      const count = await revokeWithFamily(tx, clientSecretId);
      if (count === 0) return 0;
      const metadata = { clientSecretId, familyId, reason: 'superseded' };
      await this.#audit.writeWithin(tx, [
        { ...record(identity, origin, 'login', 'refused', metadata), event: 'login-identity-universal-auth' },
        {
          ...record(identity, origin, 'delete', 'allowed', { ...metadata, revoked: count }),
          event: 'revoke-client-secret-family',
          actor: { kind: 'server', id: null, name: null },
        },
      ]);
      return count;
    });
    if (ended === 0) return;
    this.revoked++;
    this.log?.error(
      { alert: 'client-secret-reused', identityId: identity.id, clientSecretId, familyId, ip: origin.ip },
      'alert: a client secret was used after its successor; its family is revoked',
    );
  }
}

/** What whoever uses one that had its time is told. */
export const superseded = () =>
  unauthorized(
    'Invalid credentials: this client secret was used after its successor, so all of its family are revoked; an admin of the organization makes a new one',
  );

function record(
  identity: Identity,
  origin: Origin,
  action: AuditRecord['action'],
  outcome: AuditRecord['outcome'],
  metadata: Record<string, unknown>,
): AuditRecord {
  const actor = { kind: 'identity', id: identity.id, name: identity.name } as const;
  return {
    action,
    event: 'renew-client-secret',
    outcome,
    actor,
    organizationId: identity.organizationId,
    metadata,
    origin,
  };
}
