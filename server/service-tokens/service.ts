import { type CreateServiceTokenBody, isOneFolder, type ServiceTokenScope } from '../../contracts/index.ts';
import { serviceTokenOf } from '../../keys/index.ts';
import type { Access, Caller, Need } from '../access/access.ts';
import { compileAll } from '../access/permissions.ts';
import type { Database } from '../database/database.ts';
import { noEnvironment } from '../environments/missing.ts';
import { environmentSlugs } from '../environments/store.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { LastSeen } from '../last-seen/last-seen.ts';
import { addRoles } from '../memberships/store.ts';
import { insertPrivilege } from '../privileges/store.ts';
import { asIfAbsent, forbidden, notFound } from '../refusal.ts';
import { refuseUnreadable } from '../roles/validation.ts';
import { type Settings, switchedOff } from '../settings/service.ts';
import { findInstance } from '../settings/store.ts';
import { rulesOf } from './scopes.ts';
import {
  deleteServiceToken,
  findServiceToken,
  insertServiceToken,
  listServiceTokens,
  type ServiceTokenRow,
} from './store.ts';

const METHOD = 'service-token';
const need = (action: Need['action']): Need => ({ action, subject: 'service-tokens' });
const PLACES_AT_MOST = 10_000;
/** How long a renamed environment may be looked for under the slug that it had. */
const PLACE_KEPT_MS = 5_000;

/** The one folder that a token is for. */
export interface OnePlace extends ServiceTokenScope {
  readonly projectId: string;
}

/**
 * Infisical's service tokens. One is an actor with a single membership, whose role is made of its scopes; so the gate that
 * judges people and machines judges it too, and nobody makes one that may do more than itself.
 */
export class ServiceTokens {
  readonly #db: Database;
  readonly #lastSeen: LastSeen;
  readonly #access: Access;
  readonly #keyring: Keyring;
  readonly #settings: Settings;
  /** By token; null: none. A place is an address, not a right: one that is out of date by a rename leads nowhere. */
  readonly #places = new Map<string, { readonly place: OnePlace | null; readonly until: number }>();

  constructor(options: { db: Database; access: Access; keyring: Keyring; settings: Settings; lastSeen: LastSeen }) {
    this.#db = options.db;
    this.#lastSeen = options.lastSeen;
    this.#access = options.access;
    this.#keyring = options.keyring;
    this.#settings = options.settings;
  }

  /** Makes a token. Its text is shown this once. */
  async create(
    caller: Caller,
    given: CreateServiceTokenBody,
  ): Promise<{ readonly text: string; readonly row: ServiceTokenRow }> {
    const { workspaceId: projectId, name, scopes, expiresIn } = given;
    const allowed = await this.#access.project(caller, { id: projectId }, need('create'));
    await this.#settings.require(METHOD);
    const permissions = [...new Set(given.permissions)];
    const rules = rulesOf(scopes, permissions);
    refuseUnreadable(rules);
    return this.#access.change(allowed, [need('create')], async (tx, audit, again) => {
      const there = new Set(await environmentSlugs(tx, projectId));
      const missing = scopes.find(({ environment }) => !there.has(environment));
      if (missing) throw await noEnvironment(tx, again.project, missing.environment);
      await this.#access.giving.inProject(tx, again, 'create-service-token', { before: [], after: compileAll(rules) });
      const made = await insertServiceToken(tx, {
        ...{ projectId, name, scopes, permissions },
        organizationId: again.organization.id,
        createdBy: again.actor.id,
        expiresIn: expiresIn ?? 0,
      });
      if (!made) throw switchedOff(METHOD, (await findInstance(tx)).machineAuthMethods);
      const { id, membershipId } = made;
      const customRoleId = await insertPrivilege(tx, { projectId, membershipId, slug: METHOD, permissions: rules });
      await addRoles(tx, membershipId, [{ role: 'custom', customRoleId, environments: null, temporary: null }]);
      const metadata = { serviceTokenId: id, name, scopes, permissions };
      await audit([{ action: 'create', event: 'create-service-token', metadata }]);
      const row = (await findServiceToken(tx, id))!;
      return { text: serviceTokenOf(this.#keyring.clientSecretMacKey, id), row };
    });
  }

  async list(caller: Caller, projectId: string): Promise<ServiceTokenRow[]> {
    await this.#access.project(caller, { id: projectId }, need('read'));
    await this.#lastSeen.settle();
    return listServiceTokens(this.#db, projectId);
  }

  /** Takes a token away. Works while the method is off. In a project of strangers it is not there. */
  async remove(caller: Caller, id: string): Promise<ServiceTokenRow> {
    const found = await findServiceToken(this.#db, id);
    if (!found) {
      await this.#access.actor(caller);
      throw noServiceToken(id);
    }
    return asIfAbsent(
      () => noServiceToken(id),
      async () => {
        const allowed = await this.#access.project(caller, { id: found.projectId }, need('delete'));
        return await this.#access.change(allowed, [need('delete')], async (tx, audit) => {
          const row = await findServiceToken(tx, id);
          if (!row) throw noServiceToken(id);
          await deleteServiceToken(tx, id);
          const { name, scopes } = row;
          const metadata = { serviceTokenId: id, name, scopes };
          await audit([{ action: 'delete', event: 'delete-service-token', metadata }]);
          return row;
        });
      },
    );
  }

  /** What a token is told of itself. */
  async own(caller: Caller): Promise<ServiceTokenRow> {
    const actor = await this.#access.actor(caller);
    if (actor.kind !== 'service') throw forbidden(`${actor.name} is no service token; this route is for those`);
    await this.#lastSeen.settle();
    const row = await findServiceToken(this.#db, actor.id);
    if (!row) throw noServiceToken(actor.id);
    return row;
  }

  /** The place that stands for whatever such a token asks for, when it has just one scope, of just one folder. */
  async onePlace(id: string): Promise<OnePlace | null> {
    const known = this.#places.get(id);
    if (known !== undefined && known.until > performance.now()) return known.place;
    const row = await findServiceToken(this.#db, id);
    if (!row) return null;
    const [scope, ...others] = row.scopes;
    const one = scope !== undefined && others.length === 0 && isOneFolder(scope);
    const place = one ? { ...scope, projectId: row.projectId } : null;
    if (this.#places.size >= PLACES_AT_MOST) this.#places.clear();
    this.#places.set(id, { place, until: performance.now() + PLACE_KEPT_MS });
    return place;
  }
}

const noServiceToken = (id: string) => notFound(`service token ${id} not found`);
