import type { AccessToken, AdminSignupBody, BootstrapBody } from '../../contracts/index.ts';
import { AttachUniversalAuthBody } from '../../contracts/index.ts';
import {
  clientSecretMac,
  clientSecretPrefix,
  isClientSecretShape,
  type ProvenRequest,
  sameMac,
} from '../../keys/index.ts';
import type { Audit } from '../audit/audit.ts';
import type { Origin } from '../audit/store.ts';
import type { Database, Db } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { insertIdentity } from '../identities/store.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { insertMembership } from '../organizations/members-store.ts';
import { findOrganization, insertOrganization, type OrganizationRow, organizationsOf } from '../organizations/store.ts';
import { checkPassword } from '../people/password-rules.ts';
import type { Passwords } from '../people/passwords.ts';
import { findPerson, type PersonRow, setName } from '../people/store.ts';
import { conflict, invalid, notFound } from '../refusal.ts';
import type { Sessions } from '../sessions/service.ts';
import { slugFor } from '../slugs.ts';
import type { Tokens } from '../tokens/service.ts';
import { insertToken } from '../tokens/store.ts';
import { toWrite } from '../universal-auth/settings.ts';
import { findUniversalAuth, insertClientSecret, insertUniversalAuth } from '../universal-auth/store.ts';
import type { Proofs } from './proofs.ts';
import {
  clientSecretMacs,
  findUser,
  findUserByEmail,
  insertAdmin,
  lockInstance,
  markBootstrapped,
  readInstance,
  type UserRow,
} from './store.ts';

/** The first credential opens the instance for its set-up, and then ends by itself. */
const FIRST_CREDENTIAL_TTL_SECONDS = 3600;
const SESSION_TTL_SECONDS = 7200;
const FIRST_IDENTITY = 'Instance Admin Identity';

export interface Bootstrapped {
  readonly user: UserRow;
  readonly organization: OrganizationRow;
  readonly identity: { readonly id: string; readonly name: string; readonly clientId: string };
  /** Only for a caller that brought no credential of its own. */
  readonly token?: string;
}

/** The first run of an instance, and the way back in for those who hold kms-secrets. */
export class Admin {
  readonly #db: Database;
  readonly #audit: Audit;
  readonly #keyring: Keyring;
  readonly #tokens: Tokens;
  readonly #passwords: Passwords;
  readonly #sessions: Sessions;
  readonly #proofs: Proofs;
  readonly #allowUnproven: boolean;

  constructor(options: {
    db: Database;
    audit: Audit;
    keyring: Keyring;
    tokens: Tokens;
    passwords: Passwords;
    sessions: Sessions;
    proofs: Proofs;
    allowUnproven: boolean;
  }) {
    this.#db = options.db;
    this.#audit = options.audit;
    this.#keyring = options.keyring;
    this.#tokens = options.tokens;
    this.#passwords = options.passwords;
    this.#sessions = options.sessions;
    this.#proofs = options.proofs;
    this.#allowUnproven = options.allowUnproven;
  }

  /**
   * Makes the first organization, its admin, and a machine identity that can set up the rest. A caller that made its
   * credential itself and stored it can repeat the call after any crash: the same credential gets the same ids, another
   * one a 409. A fresh instance is taken over by nobody, since the call proves that it knows kms-secrets.
   */
  async bootstrap(
    given: BootstrapBody,
    proof: string | undefined,
    request: ProvenRequest,
    origin: Origin,
  ): Promise<Bootstrapped> {
    await this.#proofs.demand(proof, request, { optional: this.#allowUnproven });
    const { credential, password } = given;
    if (credential !== undefined && !isClientSecretShape(credential)) {
      throw invalid(['credential'], 'a credential is a client secret: "st." and 43 base64url characters');
    }
    if (credential === undefined && password === undefined)
      throw invalid(['password'], 'give a password, or a credential of your own');
    if (password !== undefined) checkPassword(password, given.email, 'password');
    // Hashing takes work; strangers who repeat the call on an instance that is set up shall not make this server do it.
    const late = (await readInstance(this.#db)).bootstrapped;
    const passwordHash = password === undefined || late ? null : await this.#passwords.hash(password, origin.ip);
    const slug = given.organizationSlug ?? slugFor(given.organization);
    return takenAs(`organization "${slug}" or the account ${given.email} exists already`, () =>
      this.#db.transaction(async (tx) => {
        const instance = await lockInstance(tx);
        if (instance.bootstrapped) return this.#again(tx, instance, credential);
        const organization = await insertOrganization(tx, slug, given.organization);
        const userId = await insertAdmin(tx, given.email, passwordHash);
        const organizationId = organization.id;
        await insertMembership(tx, { organizationId, actorId: userId, role: 'admin', status: 'accepted' });
        const identityId = await insertIdentity(tx, {
          organizationId,
          name: FIRST_IDENTITY,
          role: 'admin',
          instanceAdmin: true,
        });
        const { id: universalAuthId, clientId } = await insertUniversalAuth(
          tx,
          identityId,
          toWrite(AttachUniversalAuthBody.parse({})),
        );
        if (credential !== undefined) await this.#keepCredential(tx, universalAuthId, credential);
        await markBootstrapped(tx, organizationId, userId, identityId);
        await this.#audit.writeWithin(tx, [
          {
            action: 'create',
            event: 'bootstrap-instance',
            outcome: 'allowed',
            actor: { kind: 'user', id: userId, name: given.email },
            organizationId,
            metadata: { identityId, organization: slug, proven: proof !== undefined },
            origin,
          },
        ]);
        const token =
          credential === undefined
            ? this.#tokens.answer(await insertToken(tx, identityId, SESSION_TTL_SECONDS)).accessToken
            : undefined;
        const user = (await findUser(tx, userId))!;
        return {
          user,
          organization,
          identity: { id: identityId, name: FIRST_IDENTITY, clientId },
          ...(token ? { token } : {}),
        };
      }),
    );
  }

  /**
   * The first call as a browser makes it: somebody with a name and a password, who is logged in by it. It takes the same
   * proof. The machine identity is there too, and nobody has a credential of it.
   */
  async signUp(
    given: AdminSignupBody,
    proof: string | undefined,
    request: ProvenRequest,
    origin: Origin,
  ): Promise<{ person: PersonRow; organization: OrganizationRow; accessToken: string; refresh: string }> {
    const { email, password, organization: named = 'Admin Org' } = given;
    const { user, organization } = await this.bootstrap(
      { email, password, organization: named },
      proof,
      request,
      origin,
    );
    return this.#db.transaction(async (tx) => {
      await setName(tx, user.id, { firstName: given.firstName, lastName: given.lastName });
      const person = (await findPerson(tx, user.id))!;
      return { ...(await this.#sessions.open(tx, person, 'password', null, origin)), person, organization };
    });
  }

  /**
   * Opens a session for a named instance admin, for somebody who proves kms-secrets. Whoever has those can sign any
   * token and open any value anyway; this way it is short, under a person's name, and in the audit.
   */
  async recoverySession(
    email: string,
    proof: string | undefined,
    request: ProvenRequest,
    origin: Origin,
  ): Promise<AccessToken> {
    await this.#proofs.demand(proof, request, { optional: false });
    const user = await findUserByEmail(this.#db, email);
    if (!user?.instanceAdmin) throw notFound(`${email} is no admin of this instance`);
    return this.#db.transaction(async (tx) => {
      const token = await insertToken(tx, user.id, SESSION_TTL_SECONDS);
      const record = {
        action: 'login',
        event: 'recovery-session',
        outcome: 'allowed',
        actor: { kind: 'user', id: user.id, name: user.email },
        metadata: { accessTokenId: token.id },
        origin,
      } as const;
      // One for each organization that the session reaches: a break-glass login that their admins cannot find is no good.
      const organizations = await organizationsOf(tx, { id: user.id, boundTo: null });
      const records = organizations.map(({ id }) => ({ ...record, organizationId: id }));
      await this.#audit.writeWithin(tx, records.length > 0 ? records : [record]);
      return this.#tokens.answer(token);
    });
  }

  async #keepCredential(tx: Db, universalAuthId: string, credential: string): Promise<void> {
    await insertClientSecret(tx, universalAuthId, {
      mac: clientSecretMac(this.#keyring.clientSecretMacKey, credential),
      macKeyVersion: this.#keyring.clientSecretMacVersion,
      prefix: clientSecretPrefix(credential),
      description: 'first credential of the instance',
      ttl: FIRST_CREDENTIAL_TTL_SECONDS,
      numUsesLimit: 0,
    });
  }

  async #again(
    tx: Db,
    instance: { organizationId: string | null; userId: string | null; identityId: string | null },
    credential: string | undefined,
  ): Promise<Bootstrapped> {
    const { identityId, userId, organizationId } = instance;
    const macs = identityId === null ? [] : await clientSecretMacs(tx, identityId);
    const mac = credential === undefined ? undefined : clientSecretMac(this.#keyring.clientSecretMacKey, credential);
    const same = mac !== undefined && macs.some((known) => sameMac(known, mac));
    const user = userId === null ? undefined : await findUser(tx, userId);
    const organization = organizationId === null ? undefined : await findOrganization(tx, organizationId);
    const login = identityId === null ? undefined : await findUniversalAuth(tx, identityId);
    if (!same || !user || !organization || !login) {
      throw conflict('this instance has been set up already; log in, or open a recovery session with kms-secrets');
    }
    return { user, organization, identity: { id: login.identityId, name: FIRST_IDENTITY, clientId: login.clientId } };
  }
}
