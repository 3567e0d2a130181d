import { OrganizationRole } from '../../contracts/index.ts';
import type { Access, OrganizationAccess } from '../access/access.ts';
import { type Held, type Holder, heldInProjects } from '../access/held-store.ts';
import { organizationRules } from '../access/organization-rights.ts';
import type { CompiledRule } from '../access/rules.ts';
import type { Db } from '../database/database.ts';
import { badRequest } from '../refusal.ts';
import { findRoleBySlug, roleOf } from './store.ts';

/** A role as a membership stores it. */
export interface GivenRole {
  readonly role: string;
  readonly customRoleId: string | null;
}

/** Gives somebody a role, or another one: nobody gives what it does not hold, or takes from whoever holds more. */
export async function giveRole(
  access: Access,
  tx: Db,
  within: OrganizationAccess,
  what: string,
  named: string,
  holderId?: string,
): Promise<GivenRole> {
  const organizationId = within.organization.id;
  const isBuiltIn = OrganizationRole.safeParse(named).success;
  const own = isBuiltIn ? undefined : await findRoleBySlug(tx, organizationId, named);
  if (!isBuiltIn && !own) {
    throw badRequest(`no role "${named}" in this organization: there are admin, member, no-access, and its own`);
  }
  const after = organizationRules(named, own?.permissions ?? null);
  await access.giving.inOrganization(tx, within, what, { before: await rulesOf(tx, organizationId, holderId), after });
  return own ? { role: 'custom', customRoleId: own.id } : { role: named, customRoleId: null };
}

/**
 * Refuses power over somebody who holds more than the caller: in the organization, or in one of its projects. Whoever can
 * give another a way in can be the other.
 */
export async function mayManage(
  access: Access,
  tx: Db,
  within: OrganizationAccess,
  what: string,
  actorId: string,
): Promise<void> {
  const organizationId = within.organization.id;
  const rules = await rulesOf(tx, organizationId, actorId);
  await access.giving.inOrganization(tx, within, what, { before: rules, after: rules });
  await changing(access, tx, within, what, { actorId }, (held) => ({
    before: allOf(held),
    after: held.lasting,
    passing: held.passing,
  }));
}

/**
 * Refuses to put somebody into a group that holds more than the caller, in any project. Where the group forbids something it
 * takes power over whom it is put into it, too: else those who hold more could be bound.
 */
export async function mayEnter(
  access: Access,
  tx: Db,
  within: OrganizationAccess,
  what: string,
  groupId: string,
  actorId?: string,
): Promise<void> {
  if (within.organization.role === 'admin') return;
  const held = await heldInProjects(tx, within.organization.id, { groupId });
  await access.giving.inProjects(tx, within, what, held, ({ lasting, passing }) => ({
    before: [],
    after: lasting,
    passing,
  }));
  const forbids = [...held.values()].some((theirs) => allOf(theirs).some(({ inverted }) => inverted));
  if (forbids && actorId !== undefined) await mayManage(access, tx, within, what, actorId);
}

/** Refuses to take somebody out of such a group: it may forbid what another role allows. */
export const mayLeave = (access: Access, tx: Db, within: OrganizationAccess, what: string, groupId: string) =>
  changing(access, tx, within, what, { groupId }, (held) => ({ before: allOf(held), after: [] }));

const allOf = ({ lasting, passing }: Held) => [...lasting, ...passing.flat()];

async function changing(
  access: Access,
  tx: Db,
  within: OrganizationAccess,
  what: string,
  holder: Holder,
  changeOf: Parameters<Access['giving']['inProjects']>[4],
): Promise<void> {
  if (within.organization.role === 'admin') return;
  await access.giving.inProjects(tx, within, what, await heldInProjects(tx, within.organization.id, holder), changeOf);
}

async function rulesOf(tx: Db, organizationId: string, actorId: string | undefined): Promise<CompiledRule[]> {
  const held = actorId === undefined ? undefined : await roleOf(tx, organizationId, actorId);
  return held ? organizationRules(held.role, held.permissions) : [];
}
