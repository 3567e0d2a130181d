import type { Db, Statement } from '../database/database.ts';
import type { Reminder } from './store.ts';

/** A secret that is about to be written: its next version, whole, at its place. */
export interface SecretWrite {
  readonly id: string;
  readonly environmentId: string;
  readonly folderId: string;
  readonly key: string;
  readonly version: number;
  readonly keyVersion: number;
  readonly sealedValue: Buffer;
  readonly sealedComment: Buffer | null;
  readonly skipMultilineEncoding: boolean;
  readonly tagIds: readonly string[];
  readonly metadata: readonly { readonly key: string; readonly value?: string }[];
  readonly sealedMetadata: Buffer | null;
  readonly reminder: Reminder | null;
  /** Whether the value is known to hold no reference; see `plain_version` in migration 0003. */
  readonly plain: boolean;
}

export interface Written {
  readonly id: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** In whose name secrets are written, and when: the database's clock under the project's lock, so that history is in order. */
export interface Writing {
  readonly projectId: string;
  readonly actorId: string;
  readonly at: Date;
}

/** A secret that is about to be written, and in whose name. */
export interface SignedWrite {
  readonly by: Writing;
  readonly secret: SecretWrite;
}

/** One array a column, for `unnest`: a batch of a thousand is as many parameters as a batch of one. */
const columnsOf = (writes: readonly SignedWrite[]) => {
  const secrets = writes.map(({ secret }) => secret);
  return [
    writes.map(({ by }) => by.projectId),
    writes.map(({ by }) => by.actorId),
    writes.map(({ by }) => by.at),
    secrets.map((s) => s.id),
    secrets.map((s) => s.environmentId),
    secrets.map((s) => s.folderId),
    secrets.map((s) => s.key),
    secrets.map((s) => s.version),
    secrets.map((s) => s.keyVersion),
    secrets.map((s) => s.sealedValue),
    secrets.map((s) => s.sealedComment),
    secrets.map((s) => s.skipMultilineEncoding),
    // An array of arrays would be one flat list to `unnest`.
    secrets.map((s) => `{${s.tagIds.join(',')}}`),
    secrets.map((s) => JSON.stringify(s.metadata)),
    secrets.map((s) => s.sealedMetadata),
    secrets.map((s) => (s.reminder === null ? null : JSON.stringify(s.reminder))),
    secrets.map((s) => (s.plain ? s.version : null)),
  ];
};

const ROWS = `
  unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::int[], $9::int[],
         $10::bytea[], $11::bytea[], $12::boolean[], $13::text[], $14::jsonb[], $15::bytea[], $16::jsonb[], $17::int[])
    as n (project_id, written_by, at, id, environment_id, folder_id, key, version, key_version, sealed_value, sealed_comment,
          skip_multiline_encoding, tag_ids, metadata, sealed_metadata, reminder, plain_version)`;

const INSERT: Statement = {
  name: 'secrets.insert',
  text: `
    insert into secrets (project_id, written_by, created_at, updated_at, id, environment_id, folder_id, key, version, key_version,
                         sealed_value, sealed_comment, skip_multiline_encoding, tag_ids, metadata, sealed_metadata, reminder,
                         plain_version)
    select n.project_id, n.written_by, n.at, n.at, n.id, n.environment_id, n.folder_id, n.key, n.version, n.key_version,
           n.sealed_value, n.sealed_comment, n.skip_multiline_encoding, n.tag_ids::uuid[], n.metadata, n.sealed_metadata, n.reminder,
           n.plain_version
      from ${ROWS}
    returning id, created_at as "createdAt", updated_at as "updatedAt"`,
};

export async function insertSecrets(db: Db, by: Writing, secrets: readonly SecretWrite[]): Promise<Written[]> {
  return insertSigned(
    db,
    secrets.map((secret) => ({ by, secret })),
  );
}

/** As `insertSecrets`, in several names and projects. */
export async function insertSigned(db: Db, writes: readonly SignedWrite[]): Promise<Written[]> {
  return db.query<Written>(INSERT, columnsOf(writes));
}

const UPDATE: Statement = {
  name: 'secrets.update',
  text: `
    update secrets s
       set environment_id = n.environment_id, folder_id = n.folder_id, key = n.key, version = n.version, key_version = n.key_version,
           sealed_value = n.sealed_value, sealed_comment = n.sealed_comment, skip_multiline_encoding = n.skip_multiline_encoding,
           tag_ids = n.tag_ids::uuid[], metadata = n.metadata, sealed_metadata = n.sealed_metadata, reminder = n.reminder,
           plain_version = n.plain_version, written_by = n.written_by, updated_at = n.at
      from ${ROWS}
     where s.id = n.id and s.project_id = n.project_id
    returning s.id, s.created_at as "createdAt", s.updated_at as "updatedAt"`,
};

/** Replaces secrets by their next versions. What they were is kept by a trigger (migration 0004). */
export async function updateSecrets(db: Db, by: Writing, secrets: readonly SecretWrite[]): Promise<Written[]> {
  return updateSigned(
    db,
    secrets.map((secret) => ({ by, secret })),
  );
}

/** As `updateSecrets`, in several names and projects. */
export async function updateSigned(db: Db, writes: readonly SignedWrite[]): Promise<Written[]> {
  return db.query<Written>(UPDATE, columnsOf(writes));
}

const DELETE: Statement = { name: 'secrets.delete', text: 'delete from secrets where id = any ($1::uuid[])' };

/** Deletes secrets. Their last versions are kept by a trigger (migration 0004). */
export async function deleteSecrets(db: Db, ids: readonly string[]): Promise<void> {
  await db.query(DELETE, [ids]);
}

export interface WritePlace {
  readonly environmentId: string | null;
  /** Null in every row when none of the paths is there. */
  readonly folderId: string | null;
  readonly path: string;
  readonly keyVersion: number;
  readonly wrappedKey: Buffer;
  /** The project wants names in upper case (Infisical's autoCapitalization). */
  readonly upperCase: boolean;
  readonly at: Date;
}

// The clock is read under the project's lock: a transaction that began earlier but waited would else date its change back.
const FIND_PLACES: Statement = {
  name: 'secrets.find-places',
  text: `
    select e.id as "environmentId", f.id as "folderId", f.path, k.version as "keyVersion", k.wrapped as "wrappedKey",
           (select auto_capitalization from projects where id = $1) as "upperCase",
           date_trunc('milliseconds', clock_timestamp()) as at
      from (select version, wrapped from project_keys where project_id = $1 order by version desc limit 1) k
      left join environments e on e.project_id = $1 and e.slug = $2
      left join folders f on f.environment_id = e.id and f.path = any ($3::text[])`,
};

/** Where a write goes: the folders of these paths, the project's newest key, and the time. At least one row. */
export async function findPlaces(
  tx: Db,
  projectId: string,
  environment: string,
  paths: readonly string[],
): Promise<WritePlace[]> {
  return tx.query<WritePlace>(FIND_PLACES, [projectId, environment, paths]);
}
