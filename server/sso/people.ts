import type { Db } from '../database/database.ts';
import { acceptMembership, lockMembership } from '../invitations/store.ts';
import { ensureUser, insertMembership, lockAdmins, updateMembership } from '../organizations/members-store.ts';
import { lockPerson, membershipsOf, type PersonMembershipRow, type PersonRow } from '../people/store.ts';
import { forbidden } from '../refusal.ts';
import type { Asserted } from './provider.ts';
import { findIdentity, hasIdentity, insertIdentity, keepGroups, type ProviderRow } from './store.ts';

/** Somebody of whom an organization's provider speaks, by an address that it has verified. */
export type Vouched = Asserted & { readonly email: string };

/**
 * The account that a provider's subject signs on to. An address alone never opens an account that has anything outside of
 * the provider's own organization: whoever runs a provider can let it say any address. Such an account is linked by its
 * owner, who logs in and asks for it.
 *
 * @param linkUserId the owner who asked, if one did
 */
export async function personOf(
  tx: Db,
  provider: ProviderRow,
  vouched: Vouched,
  linkUserId: string | null,
  instanceAdmins: boolean,
): Promise<PersonRow> {
  const { organizationId } = provider;
  const known = await findIdentity(tx, organizationId, vouched.issuer, vouched.subject);
  const id = linkUserId ?? known ?? (await ensureUser(tx, vouched.email));
  const person = await lockPerson(tx, id);
  if (!person) throw forbidden('this account is gone; try again');
  if (person.instanceAdmin && !instanceAdmins) {
    throw forbidden('an admin of the instance logs in with a password; KMS_SSO_INSTANCE_ADMINS allows single sign-on');
  }
  if (known !== undefined && known !== person.id) {
    throw forbidden('this sign-on belongs to another account of the organization');
  }
  if (known === undefined) {
    const memberships = await membershipsOf(tx, person.id);
    if (linkUserId === null)
      requireOwn(person, memberships, organizationId, await hasIdentity(tx, organizationId, person.id));
    else requireConsent(person, memberships, vouched, organizationId);
    const { issuer, subject } = vouched;
    if (!(await insertIdentity(tx, { organizationId, issuer, subject, userId: person.id }))) {
      throw forbidden('this sign-on was just linked to an account; try again');
    }
  }
  return person;
}

/** The account is new, or nobody's but the organization's. */
function requireOwn(
  person: PersonRow,
  memberships: readonly PersonMembershipRow[],
  organizationId: string,
  linked: boolean,
): void {
  const accepted = memberships.filter(({ status }) => status === 'accepted');
  const elsewhere = accepted.some((membership) => membership.organizationId !== organizationId);
  const untouched = person.passwordHash === null && !person.hasSso;
  if (elsewhere || (accepted.length === 0 && !untouched)) {
    throw forbidden(
      `${person.email} has an account of its own; log in with its password and link it with POST /api/v1/sso/oidc/link`,
    );
  }
  // Another subject under the same address: somebody who got the address of one who left.
  if (linked)
    throw forbidden(`${person.email} is linked to another person of the provider; an admin removes the member first`);
}

function requireConsent(
  person: PersonRow,
  memberships: readonly PersonMembershipRow[],
  vouched: Vouched,
  organizationId: string,
): void {
  const member = memberships.some(
    (one) => one.organizationId === organizationId && one.status === 'accepted' && one.isActive,
  );
  if (!member) throw forbidden('only a member of the organization is linked');
  if (vouched.email !== person.email)
    throw forbidden('the provider speaks of another e-mail address than that of your account');
}

/** What a sign-on changed of a membership; a part of its audit record. */
export interface Admitted {
  readonly role?: string;
  readonly groupsJoined?: readonly string[];
  readonly groupsLeft?: readonly string[];
}

/** Makes the person a member, with the role and the groups that the provider's groups give. */
export async function admit(tx: Db, provider: ProviderRow, person: PersonRow, vouched: Vouched): Promise<Admitted> {
  const role = await giveRole(tx, provider, person, vouched);
  const named = role === undefined ? {} : { role };
  if (!provider.manageGroupMemberships || vouched.groups === undefined) return named;
  const { joined, left } = await keepGroups(tx, provider.organizationId, person.id, vouched.groups);
  return {
    ...named,
    ...(joined.length > 0 ? { groupsJoined: joined } : {}),
    ...(left.length > 0 ? { groupsLeft: left } : {}),
  };
}

/** The role that the person was given, when it is another one than before. */
async function giveRole(
  tx: Db,
  provider: ProviderRow,
  person: PersonRow,
  vouched: Vouched,
): Promise<string | undefined> {
  const { organizationId, groupRoles, defaultRole } = provider;
  const managed = groupRoles.length > 0 && vouched.groups !== undefined;
  const mapped = groupRoles.find(({ group }) => vouched.groups?.includes(group))?.role ?? defaultRole;
  const membership = await lockMembership(tx, organizationId, person.id);
  if (!membership) {
    await insertMembership(tx, { organizationId, actorId: person.id, role: mapped, status: 'accepted' });
    return mapped;
  }
  const mine = (await membershipsOf(tx, person.id)).find((one) => one.organizationId === organizationId)!;
  if (!mine.isActive) throw forbidden('this membership has been deactivated');
  if (membership.status === 'invited') await acceptMembership(tx, membership.id);
  if (!managed || mine.role === mapped) return undefined;
  const admins = await lockAdmins(tx, organizationId);
  // The provider may take every other admin away, and not the last one.
  if (mapped !== 'admin' && admins.length === 1 && admins[0] === person.id) return undefined;
  await updateMembership(tx, organizationId, membership.id, { role: mapped });
  return mapped;
}
