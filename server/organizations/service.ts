import type { Access, Caller } from '../access/access.ts';
import type { Audit } from '../audit/audit.ts';
import type { Database } from '../database/database.ts';
import { takenAs } from '../database/taken.ts';
import { badRequest, forbidden, notFound } from '../refusal.ts';
import { endTokensAgainstRules } from '../sessions/store.ts';
import { slugFor } from '../slugs.ts';
import { insertMembership } from './members-store.ts';
import {
  countProjects,
  deleteOrganization,
  findOrganization,
  hasProvider,
  insertOrganization,
  lockOrganization,
  type OrganizationChange,
  type OrganizationRow,
  organizationsToChoose,
  updateOrganization,
} from './store.ts';

/** Organizations. Admins run one; instance admins alone make new ones. */
export class Organizations {
  readonly #db: Database;
  readonly #access: Access;
  readonly #audit: Audit;

  constructor(options: { db: Database; access: Access; audit: Audit }) {
    this.#db = options.db;
    this.#access = options.access;
    this.#audit = options.audit;
  }

  async list(caller: Caller): Promise<OrganizationRow[]> {
    await this.#access.actor(caller);
    return organizationsToChoose(this.#db, caller.tokenId);
  }

  async get(caller: Caller, id: string): Promise<OrganizationRow> {
    await this.#access.organization(caller, id);
    return (await findOrganization(this.#db, id))!;
  }

  /** Makes an organization; its maker becomes its admin. */
  async create(caller: Caller, given: { name: string; slug?: string | undefined }): Promise<OrganizationRow> {
    const actor = await this.#access.actor(caller);
    if (!actor.instanceAdmin) {
      await this.#audit.write({
        action: 'create',
        event: 'create-organization',
        outcome: 'refused',
        actor,
        organizationId: null,
        metadata: {},
        origin: caller.origin,
      });
      throw forbidden(`${actor.name} may not create organizations: that takes an instance admin`);
    }
    const slug = given.slug ?? slugFor(given.name);
    return takenAs(`organization "${slug}" exists already`, () =>
      this.#db.transaction(async (tx) => {
        const organization = await insertOrganization(tx, slug, given.name);
        await insertMembership(tx, {
          organizationId: organization.id,
          actorId: actor.id,
          role: 'admin',
          status: 'accepted',
        });
        const access = { caller, actor, organization };
        await this.#audit.changedOrganization(tx, access, 'create', 'create-organization', { slug });
        return organization;
      }),
    );
  }

  async update(caller: Caller, id: string, change: OrganizationChange): Promise<OrganizationRow> {
    const what = 'update-organization';
    // How people come in is for admins: whoever lifts a rule about it has a way into other accounts.
    const aboutLogins = change.enforceMfa !== undefined || change.ssoEnforced !== undefined;
    const access = aboutLogins
      ? await this.#access.organizationAdmin(caller, id, what)
      : await this.#access.organizationWith(caller, id, { action: 'edit', subject: 'settings' }, what);
    return takenAs(`organization "${change.slug}" exists already`, () =>
      this.#access.changeOrganization(access, async (tx) => {
        const organization = await updateOrganization(tx, id, change);
        if (!organization) throw notFound(`organization ${id} not found`);
        // A stricter rule holds for those who are in already.
        const enforceMfa = change.enforceMfa === true;
        const ssoEnforced = change.ssoEnforced === true;
        if (ssoEnforced && !(await hasProvider(tx, id))) {
          throw badRequest('set single sign-on up and switch it on first; nobody could come in');
        }
        if (enforceMfa || ssoEnforced) await endTokensAgainstRules(tx, id, { enforceMfa, ssoEnforced });
        await this.#audit.changedOrganization(tx, access, 'update', what, { ...change });
        return organization;
      }),
    );
  }

  /** Deletes an organization that has no project left: its secrets are never taken along by accident. */
  async remove(caller: Caller, id: string): Promise<OrganizationRow> {
    const access = await this.#access.organizationAdmin(caller, id, 'delete-organization');
    return this.#access.changeOrganization(access, async (tx) => {
      const organization = await lockOrganization(tx, id);
      if (!organization) throw notFound(`organization ${id} not found`);
      const projects = await countProjects(tx, id);
      if (projects > 0)
        throw badRequest(`organization "${organization.slug}" still has ${projects} projects; delete them first`);
      await deleteOrganization(tx, id);
      await this.#audit.changedOrganization(tx, access, 'delete', 'delete-organization', { slug: organization.slug });
      return organization;
    });
  }
}
