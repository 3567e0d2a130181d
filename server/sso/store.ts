import type { Db, Statement } from '../database/database.ts';

/** How an organization's people sign on. */
export interface ProviderRow {
  readonly id: string;
  readonly organizationId: string;
  readonly isActive: boolean;
  readonly configurationType: 'custom' | 'discoveryURL';
  readonly discoveryUrl: string | null;
  readonly issuer: string | null;
  readonly authorizationEndpoint: string | null;
  readonly tokenEndpoint: string | null;
  readonly jwksUri: string | null;
  readonly userinfoEndpoint: string | null;
  readonly clientId: string;
  readonly sealedClientSecret: Buffer;
  readonly allowedEmailDomains: string;
  readonly signatureAlgorithm: string;
  readonly defaultRole: 'admin' | 'member' | 'no-access';
  readonly groupsClaim: string;
  readonly groupRoles: readonly { readonly group: string; readonly role: 'admin' | 'member' | 'no-access' }[];
  readonly manageGroupMemberships: boolean;
}

const COLUMNS = `
  p.id, p.organization_id as "organizationId", p.is_active as "isActive", p.configuration_type as "configurationType",
  p.discovery_url as "discoveryUrl", p.issuer, p.authorization_endpoint as "authorizationEndpoint",
  p.token_endpoint as "tokenEndpoint", p.jwks_uri as "jwksUri", p.userinfo_endpoint as "userinfoEndpoint",
  p.client_id as "clientId", p.sealed_client_secret as "sealedClientSecret",
  p.allowed_email_domains as "allowedEmailDomains", p.signature_algorithm as "signatureAlgorithm",
  p.default_role as "defaultRole", p.groups_claim as "groupsClaim", p.group_roles as "groupRoles",
  p.manage_group_memberships as "manageGroupMemberships"`;

const FIND: Statement = {
  name: 'sso.find',
  text: `select ${COLUMNS} from oidc_providers p where p.organization_id = $1`,
};

export async function findProvider(db: Db, organizationId: string): Promise<ProviderRow | undefined> {
  return db.first<ProviderRow>(FIND, [organizationId]);
}

const FIND_BY_ID: Statement = {
  name: 'sso.find-by-id',
  text: `select ${COLUMNS} from oidc_providers p where p.id = $1`,
};

export async function findProviderById(db: Db, id: string): Promise<ProviderRow | undefined> {
  return db.first<ProviderRow>(FIND_BY_ID, [id]);
}

const FIND_BY_SLUG: Statement = {
  name: 'sso.find-by-slug',
  text: `
    select ${COLUMNS} from oidc_providers p join organizations o on o.id = p.organization_id
     where o.slug = $1 and p.is_active`,
};

/** The provider that an organization's people sign on with now. */
export async function findActiveProvider(db: Db, slug: string): Promise<ProviderRow | undefined> {
  return db.first<ProviderRow>(FIND_BY_SLUG, [slug]);
}

const ORGANIZATION: Statement = {
  name: 'sso.organization-of-slug',
  text: 'select id from organizations where slug = $1',
};

export async function organizationOfSlug(db: Db, slug: string): Promise<string | undefined> {
  return (await db.first<{ id: string }>(ORGANIZATION, [slug]))?.id;
}

const PUT: Statement = {
  name: 'sso.put',
  text: `
    insert into oidc_providers as p (
      id, organization_id, is_active, configuration_type, discovery_url, issuer, authorization_endpoint, token_endpoint,
      jwks_uri, userinfo_endpoint, client_id, sealed_client_secret, allowed_email_domains, signature_algorithm,
      default_role, groups_claim, group_roles, manage_group_memberships)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17::jsonb, $18)
        on conflict (id) do update set
      is_active = $3, configuration_type = $4, discovery_url = $5, issuer = $6, authorization_endpoint = $7,
      token_endpoint = $8, jwks_uri = $9, userinfo_endpoint = $10, client_id = $11, sealed_client_secret = $12,
      allowed_email_domains = $13, signature_algorithm = $14, default_role = $15, groups_claim = $16,
      group_roles = $17::jsonb, manage_group_memberships = $18, updated_at = now()
    returning ${COLUMNS}`,
};

/** Stores a provider, new or changed. A second one of an organization is a unique violation. */
export async function putProvider(tx: Db, p: ProviderRow): Promise<ProviderRow> {
  const urls = [p.discoveryUrl, p.issuer, p.authorizationEndpoint, p.tokenEndpoint, p.jwksUri, p.userinfoEndpoint];
  return tx.one<ProviderRow>(PUT, [
    ...[p.id, p.organizationId, p.isActive, p.configurationType, ...urls, p.clientId, p.sealedClientSecret],
    ...[p.allowedEmailDomains, p.signatureAlgorithm, p.defaultRole, p.groupsClaim, JSON.stringify(p.groupRoles)],
    p.manageGroupMemberships,
  ]);
}

const INSERT_ATTEMPT: Statement = {
  name: 'sso.insert-attempt',
  text: `
    insert into sso_attempts (state_mac, browser_mac, provider_id, link_user_id, expires_at)
    values ($1, $2, $3, $4, now() + interval '10 minutes')`,
};

export async function insertAttempt(
  db: Db,
  attempt: {
    readonly stateMac: Buffer;
    readonly browserMac: Buffer;
    readonly providerId: string;
    readonly linkUserId: string | null;
  },
): Promise<void> {
  const { stateMac, browserMac, providerId, linkUserId } = attempt;
  await db.query(INSERT_ATTEMPT, [stateMac, browserMac, providerId, linkUserId]);
}

const TAKE_ATTEMPT: Statement = {
  name: 'sso.take-attempt',
  text: `
    delete from sso_attempts where state_mac = $1 and browser_mac = $2 and expires_at > now()
    returning provider_id as "providerId", link_user_id as "linkUserId"`,
};

/** Takes a sign-on that is under way in the very browser that began it. It works once. */
export async function takeAttempt(
  db: Db,
  stateMac: Buffer,
  browserMac: Buffer,
): Promise<{ providerId: string; linkUserId: string | null } | undefined> {
  return db.first<{ providerId: string; linkUserId: string | null }>(TAKE_ATTEMPT, [stateMac, browserMac]);
}

const FIND_IDENTITY: Statement = {
  name: 'sso.find-identity',
  text: 'select user_id as "userId" from sso_identities where organization_id = $1 and issuer = $2 and subject = $3',
};

/** Who a provider's subject is, in an organization. */
export async function findIdentity(
  db: Db,
  organizationId: string,
  issuer: string,
  subject: string,
): Promise<string | undefined> {
  return (await db.first<{ userId: string }>(FIND_IDENTITY, [organizationId, issuer, subject]))?.userId;
}

const INSERT_IDENTITY: Statement = {
  name: 'sso.insert-identity',
  text: `
    insert into sso_identities (organization_id, issuer, subject, user_id) values ($1, $2, $3, $4)
        on conflict (organization_id, issuer, subject) do nothing returning user_id`,
};

/** Notes who a subject is. False when it is somebody already. */
export async function insertIdentity(
  tx: Db,
  identity: {
    readonly organizationId: string;
    readonly issuer: string;
    readonly subject: string;
    readonly userId: string;
  },
): Promise<boolean> {
  const { organizationId, issuer, subject, userId } = identity;
  return (await tx.query(INSERT_IDENTITY, [organizationId, issuer, subject, userId])).length === 1;
}

const HAS_IDENTITY: Statement = {
  name: 'sso.has-identity',
  text: 'select from sso_identities where organization_id = $1 and user_id = $2',
};

/** Whether an account is some subject's of an organization's provider already. */
export async function hasIdentity(db: Db, organizationId: string, userId: string): Promise<boolean> {
  return (await db.query(HAS_IDENTITY, [organizationId, userId])).length > 0;
}

const LEAVE_GROUPS: Statement = {
  name: 'sso.leave-groups',
  text: `
    delete from group_members gm using groups g
     where g.id = gm.group_id and g.organization_id = $1 and gm.actor_id = $2 and not g.name = any ($3::text[])
    returning g.slug`,
};
const JOIN_GROUPS: Statement = {
  name: 'sso.join-groups',
  text: `
    with joined as (
      insert into group_members (group_id, organization_id, actor_id)
      select g.id, g.organization_id, $2 from groups g where g.organization_id = $1 and g.name = any ($3::text[])
          on conflict do nothing returning group_id
    )
    select g.slug from joined j join groups g on g.id = j.group_id`,
};

/** Puts a person into the organization's groups of these names, and out of all others. What changed, by slug. */
export async function keepGroups(
  tx: Db,
  organizationId: string,
  userId: string,
  names: readonly string[],
): Promise<{ readonly joined: string[]; readonly left: string[] }> {
  const values = [organizationId, userId, names];
  const left = (await tx.query<{ slug: string }>(LEAVE_GROUPS, values)).map(({ slug }) => slug);
  const joined = (await tx.query<{ slug: string }>(JOIN_GROUPS, values)).map(({ slug }) => slug);
  return { joined, left };
}
