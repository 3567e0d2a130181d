import type { Db, Statement } from '../database/database.ts';
import type { ConfigColumn } from '../keyring/sealed-columns.ts';

const REWRAP_INSTANCE_KEY: Statement = {
  name: 'rotation.rewrap-instance-key',
  text: 'update instance_keys set wrapped = $4 where purpose = $1 and version = $2 and wrapped = $3',
};

export async function rewrapInstanceKey(
  db: Db,
  key: { readonly purpose: string; readonly version: number; readonly wrapped: Buffer },
  wrapped: Buffer,
): Promise<void> {
  await db.query(REWRAP_INSTANCE_KEY, [key.purpose, key.version, key.wrapped, wrapped]);
}

export interface SealedConfig {
  readonly ownerId: string;
  readonly sealed: Buffer;
}

/** All that one column of configuration holds. The names come from the list in keyring/, never from a caller. */
export async function sealedConfig(db: Db, { table, column, owner }: ConfigColumn): Promise<SealedConfig[]> {
  const text = `select ${owner}::text as "ownerId", ${column} as sealed from ${table} where ${column} is not null`;
  return db.query<SealedConfig>({ name: `rotation.config-${table}-${column}`, text }, []);
}

/** Replaces one piece of sealed configuration, unless somebody else did meanwhile. */
export async function replaceConfig(db: Db, at: ConfigColumn, before: SealedConfig, sealed: Buffer): Promise<void> {
  const text = `update ${at.table} set ${at.column} = $3 where ${at.owner}::text = $1 and ${at.column} = $2`;
  await db.query({ name: `rotation.reseal-${at.table}-${at.column}`, text }, [before.ownerId, before.sealed, sealed]);
}

const RETIRE: Statement = {
  name: 'rotation.retire-instance-keys',
  text: 'delete from instance_keys where purpose = $1 and version < $2',
};

/** Deletes the versions before one. */
export async function retireInstanceKeys(db: Db, purpose: string, before: number): Promise<void> {
  await db.query(RETIRE, [purpose, before]);
}

const MOVE_KEY: Statement = {
  name: 'rotation.move-instance-key',
  text: 'update instance_keys set purpose = $3, wrapped = $4 where purpose = $1 and version = $2',
};

/** Keeps a key on for another purpose, wrapped for that. */
export async function moveInstanceKey(
  db: Db,
  { purpose, version }: { readonly purpose: string; readonly version: number },
  to: string,
  wrapped: Buffer,
): Promise<void> {
  await db.query(MOVE_KEY, [purpose, version, to, wrapped]);
}

const RETIRE_ONE: Statement = {
  name: 'rotation.retire-instance-key',
  text: 'delete from instance_keys where purpose = $1 and version = $2',
};

export async function retireInstanceKey(db: Db, purpose: string, version: number): Promise<void> {
  await db.query(RETIRE_ONE, [purpose, version]);
}

const NAME_MAC_VERSION: Statement = {
  name: 'rotation.name-mac-version',
  text: 'update client_secrets set mac_key_version = $1 where mac_key_version is null',
};

/** Names the version of the key for client secrets that older servers made, which did not. */
export async function nameMacVersion(db: Db, version: number): Promise<void> {
  await db.query(NAME_MAC_VERSION, [version]);
}

const COUNT_MACS: Statement = {
  name: 'rotation.count-macs',
  text: `
    select mac_key_version as version, count(*)::int as rows from client_secrets
     where revoked_at is null and (expires_at is null or expires_at > now())
     group by mac_key_version order by mac_key_version`,
};

/** How many client secrets that can log in there are under each version of the key of their MACs; null: of an older server. */
export async function countMacs(db: Db): Promise<{ version: number | null; rows: number }[]> {
  return db.query(COUNT_MACS, []);
}
