import type { Rule } from '../../contracts/index.ts';
import type { Audit } from '../audit/audit.ts';
import type { Db } from '../database/database.ts';
import { unavailable } from '../refusal.ts';
import { inProject, type OrganizationAccess, type ProjectAccess } from './admitted.ts';
import { type Change, firstBeyond } from './granting.ts';
import { type Held, lastingGrants } from './held-store.ts';
import type { OrganizationRights } from './organization-rights.ts';
import { refusedGrant } from './refused.ts';
import type { RoleBook } from './role-book.ts';
import { judge } from './store.ts';

/** Holds everyone who gives rights to what they hold themselves, in a project and in an organization (granting.ts). */
export class Giving {
  readonly #audit: Audit;
  readonly #roles: RoleBook;
  readonly #organizationRights: OrganizationRights;

  constructor(audit: Audit, roles: RoleBook, organizationRights: OrganizationRights) {
    this.#audit = audit;
    this.#roles = roles;
    this.#organizationRights = organizationRights;
  }

  /**
   * Refuses, with an audit record, to give or to lift what the caller does not hold itself (granting.ts). Rights in a
   * project are given by those who hold them, whichever way they are given.
   */
  async inProject(tx: Db, access: ProjectAccess, event: string, change: Change): Promise<void> {
    const beyond =
      firstBeyond(access.rights, change) ?? (await this.#beyondForGood(tx, access, access.project.id, change));
    if (beyond === undefined) return;
    const record = { action: 'update', event, outcome: 'refused', metadata: { beyond: beyond.rule } } as const;
    await this.#audit.write({ ...inProject(access), ...record });
    throw refusedGrant(access.actor.name, `project "${access.project.slug}"`, access.rights, beyond);
  }

  /** What is held for a while only is not given: it would outlast the giver's own. */
  async #beyondForGood(
    tx: Db,
    { actor, organization }: OrganizationAccess,
    projectId: string,
    { after, passing = [] }: Change,
  ) {
    const given = [...after, ...passing.flat()];
    if (organization.role === 'admin' || given.length === 0) return undefined;
    const grants = await lastingGrants(tx, projectId, actor.id);
    if (grants === undefined) return undefined;
    const rights = await this.#roles.read(tx, grants);
    if (!rights) throw unavailable('your roles in a project changed at this moment; try again');
    const rule = rights.beyond(given);
    return rule && ({ rule: rule.written, why: 'outlasts' } as const);
  }

  /** As `inProject`, of a role in an organization. */
  async inOrganization(tx: Db, access: OrganizationAccess, what: string, change: Change): Promise<void> {
    const rights = await this.#organizationRights.held(tx, access);
    const beyond = firstBeyond(rights, change);
    if (beyond === undefined) return;
    await this.#refusedBeyond(access, what, beyond.rule);
    throw refusedGrant(access.actor.name, 'the organization', rights, beyond);
  }

  /**
   * Refuses, with an audit record, power over somebody who holds in a project what the caller does not hold there. Whoever
   * can give an identity a client secret can be it, and whoever can put people into a group gives them what it holds. An
   * admin of the organization holds everything.
   *
   * @param held what the other holds, by project
   */
  async inProjects(
    tx: Db,
    access: OrganizationAccess,
    what: string,
    held: ReadonlyMap<string, Held>,
    changeOf: (held: Held) => Change,
  ): Promise<void> {
    if (access.organization.role === 'admin') return;
    const { caller } = access;
    for (const [projectId, theirs] of held) {
      const verdict = await judge(tx, { ...caller.origin, tokenId: caller.tokenId, projectId });
      const rights = await this.#roles.of(tx, verdict);
      if (!rights) throw unavailable('your roles in a project changed at this moment; try again');
      const change = changeOf(theirs);
      const beyond = firstBeyond(rights, change) ?? (await this.#beyondForGood(tx, access, projectId, change));
      if (beyond === undefined) continue;
      await this.#refusedBeyond(access, what, beyond.rule);
      throw refusedGrant(access.actor.name, 'a project of the organization', rights, beyond);
    }
  }

  async #refusedBeyond(
    { actor, organization, caller }: OrganizationAccess,
    event: string,
    beyond: Rule,
  ): Promise<void> {
    const record = { action: 'update', event, outcome: 'refused', metadata: { beyond } } as const;
    await this.#audit.write({ ...record, actor, organizationId: organization.id, origin: caller.origin });
  }
}
