import type { Db, Statement } from '../database/database.ts';
import type { IssuedRow } from '../tokens/store.ts';

export interface UniversalAuthRow {
  readonly id: string;
  readonly identityId: string;
  readonly clientId: string;
  readonly accessTokenTTL: number;
  readonly accessTokenMaxTTL: number;
  readonly accessTokenNumUsesLimit: number;
  readonly clientSecretTrustedIps: string[];
  readonly accessTokenTrustedIps: string[];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface ClientSecretRow {
  readonly id: string;
  readonly universalAuthId: string;
  readonly prefix: string;
  readonly description: string;
  readonly ttl: number;
  readonly numUses: number;
  readonly numUsesLimit: number;
  readonly revoked: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const UA_COLUMNS = `
  id, identity_id as "identityId", client_id as "clientId", access_token_ttl as "accessTokenTTL",
  access_token_max_ttl as "accessTokenMaxTTL", access_token_num_uses_limit as "accessTokenNumUsesLimit",
  client_secret_trusted_ips::text[] as "clientSecretTrustedIps", access_token_trusted_ips::text[] as "accessTokenTrustedIps",
  created_at as "createdAt", updated_at as "updatedAt"`;

export interface UniversalAuthWrite {
  readonly accessTokenTTL: number;
  readonly accessTokenMaxTTL: number;
  readonly accessTokenNumUsesLimit: number;
  readonly clientSecretTrustedIps: readonly string[];
  readonly accessTokenTrustedIps: readonly string[];
}

// `10.1.2.3/8` is taken for the network that it lies in, where a plain cast to cidr would fail.
const NETWORKS = (parameter: string) => `array(select network(given::inet) from unnest(${parameter}::text[]) as given)`;

const settings = (write: UniversalAuthWrite) => [
  write.accessTokenTTL,
  write.accessTokenMaxTTL,
  write.accessTokenNumUsesLimit,
  write.clientSecretTrustedIps,
  write.accessTokenTrustedIps,
];

const INSERT: Statement = {
  name: 'universal-auth.insert',
  text: `
    insert into universal_auths (identity_id, access_token_ttl, access_token_max_ttl, access_token_num_uses_limit,
                                 client_secret_trusted_ips, access_token_trusted_ips)
    values ($1, $2, $3, $4, ${NETWORKS('$5')}, ${NETWORKS('$6')}) returning ${UA_COLUMNS}`,
};

export async function insertUniversalAuth(
  db: Db,
  identityId: string,
  write: UniversalAuthWrite,
): Promise<UniversalAuthRow> {
  const [row] = await db.query<UniversalAuthRow>(INSERT, [identityId, ...settings(write)]);
  return row!;
}

const FIND: Statement = {
  name: 'universal-auth.find',
  text: `select ${UA_COLUMNS} from universal_auths where identity_id = $1`,
};

export async function findUniversalAuth(db: Db, identityId: string): Promise<UniversalAuthRow | undefined> {
  return (await db.query<UniversalAuthRow>(FIND, [identityId]))[0];
}

const LOCK: Statement = { name: 'universal-auth.lock', text: `${FIND.text} for update` };

/** As `findUniversalAuth`, and keeps others from changing it. */
export async function lockUniversalAuth(tx: Db, identityId: string): Promise<UniversalAuthRow | undefined> {
  return (await tx.query<UniversalAuthRow>(LOCK, [identityId]))[0];
}

const UPDATE: Statement = {
  name: 'universal-auth.update',
  text: `
    update universal_auths
       set access_token_ttl = $2, access_token_max_ttl = $3, access_token_num_uses_limit = $4,
           client_secret_trusted_ips = ${NETWORKS('$5')}, access_token_trusted_ips = ${NETWORKS('$6')}, updated_at = now()
     where identity_id = $1 returning ${UA_COLUMNS}`,
};

export async function updateUniversalAuth(
  db: Db,
  identityId: string,
  write: UniversalAuthWrite,
): Promise<UniversalAuthRow> {
  const [row] = await db.query<UniversalAuthRow>(UPDATE, [identityId, ...settings(write)]);
  return row!;
}

const DELETE: Statement = { name: 'universal-auth.delete', text: 'delete from universal_auths where identity_id = $1' };

/** Takes the login away; client secrets and their tokens go with it. */
export async function deleteUniversalAuth(db: Db, identityId: string): Promise<void> {
  await db.query(DELETE, [identityId]);
}

const SECRET_COLUMNS = `
  cs.id, cs.universal_auth_id as "universalAuthId", cs.prefix, cs.description, cs.ttl, cs.num_uses as "numUses",
  cs.num_uses_limit as "numUsesLimit", cs.revoked_at is not null as revoked, cs.created_at as "createdAt", cs.updated_at as "updatedAt"`;

const INSERT_SECRET: Statement = {
  name: 'client-secrets.insert',
  text: `
    insert into client_secrets as cs (universal_auth_id, mac, prefix, description, ttl, num_uses_limit, expires_at)
    values ($1, $2, $3, $4, $5::int, $6, case when $5::int > 0 then now() + $5::int * interval '1 second' end)
    returning ${SECRET_COLUMNS}`,
};

export interface ClientSecretWrite {
  readonly mac: Buffer;
  readonly prefix: string;
  readonly description: string;
  readonly ttl: number;
  readonly numUsesLimit: number;
}

export async function insertClientSecret(
  db: Db,
  universalAuthId: string,
  write: ClientSecretWrite,
): Promise<ClientSecretRow> {
  const { mac, prefix, description, ttl, numUsesLimit } = write;
  const [row] = await db.query<ClientSecretRow>(INSERT_SECRET, [
    universalAuthId,
    mac,
    prefix,
    description,
    ttl,
    numUsesLimit,
  ]);
  return row!;
}

const LIST_SECRETS: Statement = {
  name: 'client-secrets.list',
  text: `
    select ${SECRET_COLUMNS} from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
     where ua.identity_id = $1 and cs.revoked_at is null order by cs.created_at, cs.id`,
};

/** The client secrets of an identity that were not revoked. */
export async function listClientSecrets(db: Db, identityId: string): Promise<ClientSecretRow[]> {
  return db.query<ClientSecretRow>(LIST_SECRETS, [identityId]);
}

const FIND_SECRET: Statement = {
  name: 'client-secrets.find',
  text: `
    select ${SECRET_COLUMNS} from client_secrets cs join universal_auths ua on ua.id = cs.universal_auth_id
     where ua.identity_id = $1 and cs.id = $2`,
};

export async function findClientSecret(db: Db, identityId: string, id: string): Promise<ClientSecretRow | undefined> {
  return (await db.query<ClientSecretRow>(FIND_SECRET, [identityId, id]))[0];
}

const REVOKE_SECRET: Statement = {
  name: 'client-secrets.revoke',
  text: 'update client_secrets set revoked_at = coalesce(revoked_at, now()), updated_at = now() where id = $1',
};

export async function revokeClientSecret(db: Db, id: string): Promise<void> {
  await db.query(REVOKE_SECRET, [id]);
}

/** What a login needs to know of a client id. */
export interface LoginRow {
  readonly universalAuthId: string;
  readonly identityId: string;
  readonly identityName: string;
  readonly organizationId: string;
  readonly ipTrusted: boolean;
  readonly secrets: readonly { readonly id: string; readonly mac: Buffer; readonly exhausted: boolean }[];
}

const FIND_LOGIN: Statement = {
  name: 'universal-auth.find-login',
  text: `
    select ua.id as "universalAuthId", i.id as "identityId", i.name as "identityName", i.organization_id as "organizationId",
           $2::inet <<= any (ua.client_secret_trusted_ips) as "ipTrusted",
           cs.id as "secretId", cs.mac, cs.num_uses_limit > 0 and cs.num_uses >= cs.num_uses_limit as exhausted
      from universal_auths ua
      join identities i on i.id = ua.identity_id
      left join client_secrets cs on cs.universal_auth_id = ua.id and cs.revoked_at is null
                                 and (cs.expires_at is null or cs.expires_at > now())
     where ua.client_id = $1`,
};

export async function findLogin(db: Db, clientId: string, ip: string): Promise<LoginRow | undefined> {
  type Row = Omit<LoginRow, 'secrets'> & { secretId: string | null; mac: Buffer; exhausted: boolean };
  const rows = await db.query<Row>(FIND_LOGIN, [clientId, ip]);
  if (rows.length === 0) return undefined;
  const secrets = rows.flatMap(({ secretId: id, mac, exhausted }) => (id === null ? [] : [{ id, mac, exhausted }]));
  return { ...rows[0]!, secrets };
}

// The secret's use, the token and the audit record are one statement: none is ever there without the others. That the
// secret is still good is asked again here, since it may have been revoked since it was compared.
const LOG_IN: Statement = {
  name: 'universal-auth.log-in',
  text: `
    with used as (
      update client_secrets cs set num_uses = num_uses + 1
        from universal_auths ua
       where cs.id = $1 and ua.id = cs.universal_auth_id and cs.revoked_at is null
         and (cs.expires_at is null or cs.expires_at > now())
         and (cs.num_uses_limit = 0 or cs.num_uses < cs.num_uses_limit)
      returning cs.id as client_secret_id, ua.*
    ),
    t as (
      insert into access_tokens (actor_id, client_secret_id, ttl, max_ttl, num_uses_limit, expires_at)
      select identity_id, client_secret_id, access_token_ttl, access_token_max_ttl, access_token_num_uses_limit,
             now() + access_token_ttl * interval '1 second'
        from used
      returning *
    ),
    audited as (
      insert into audit_log (action, event, outcome, actor_kind, actor_id, actor_name, organization_id, metadata, ip, user_agent, request_id)
      select 'login', 'login-identity-universal-auth', 'allowed', 'identity', i.id, i.name, i.organization_id,
             jsonb_build_object('clientSecretId', t.client_secret_id, 'accessTokenId', t.id), $2, $3, $4
        from t join identities i on i.id = t.actor_id
    )
    select t.id, t.actor_id as "actorId", 'identity' as "actorKind", t.client_secret_id as "clientSecretId", t.max_ttl as "maxTtl",
           t.num_uses_limit > 0 as "usesLimited", floor(extract(epoch from now()))::float8 as "issuedAt",
           greatest(floor(extract(epoch from t.expires_at)), floor(extract(epoch from now())) + 1)::float8 as "expiresAt"
      from t`,
};

/** Issues a token for a client secret; nothing when the secret is no longer good. */
export async function logIn(
  db: Db,
  clientSecretId: string,
  origin: { readonly ip: string; readonly userAgent: string | null; readonly requestId: string },
): Promise<IssuedRow | undefined> {
  return (await db.query<IssuedRow>(LOG_IN, [clientSecretId, origin.ip, origin.userAgent, origin.requestId]))[0];
}
