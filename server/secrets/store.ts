import type { Db, Statement } from '../database/database.ts';

/** A secret as it lies in the database: its value sealed, its place beside it. */
export interface SecretRow {
  readonly id: string;
  readonly environmentId: string;
  readonly folderId: string;
  readonly path: string;
  readonly key: string;
  readonly version: number;
  readonly keyVersion: number;
  readonly wrappedKey: Buffer;
  readonly sealedValue: Buffer;
  readonly sealedComment: Buffer | null;
  readonly skipMultilineEncoding: boolean;
  readonly tags: readonly SecretTag[];
  /** The values of the sealed ones are in `sealedMetadata`, in the order of their keys here. */
  readonly metadata: readonly { readonly key: string; readonly value?: string }[];
  readonly sealedMetadata: Buffer | null;
  readonly reminder: Reminder | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Who wrote this version; known only to reads. */
  readonly writtenBy?: string | null;
  /** Null when they are no longer there. */
  readonly writerKind?: string | null;
  readonly writerName?: string | null;
  readonly writerMembershipId?: string | null;
  /** The group through which they are in the project; null when they are a member themselves. */
  readonly writerGroupId?: string | null;
}

/** A tag as a secret shows it. */
export interface SecretTag {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly color: string;
}

/** Who should be reminded to renew a secret, and how often. */
export interface Reminder {
  readonly repeatDays: number | null;
  readonly note: string | null;
  readonly recipients: readonly string[];
}

/** The tags of an array of ids; most secrets have none, and cost no look-up. */
export const tagsOf = (ids: string) => `
  case when ${ids} = '{}' then '[]'::json else coalesce((
    select json_agg(json_build_object('id', t.id, 'slug', t.slug, 'name', t.name, 'color', t.color) order by t.slug)
      from tags t where t.id = any (${ids})), '[]') end`;

/** Joins, as `wr`, who has this id: without a row, they are no longer there. */
export const writerOf = (id: string, project: string) => `
  left join lateral (
    select a.kind, coalesce(wi.name, wu.email, wt.name) as name, coalesce(wm.id, wg.id) as membership_id, wg.group_id
      from actors a
      left join identities wi on wi.id = a.id
      left join users wu on wu.id = a.id
      left join service_tokens wt on wt.id = a.id
      left join project_memberships wm on wm.actor_id = a.id and wm.project_id = ${project}
      left join lateral (
        select m.id, m.group_id
          from group_members g join project_memberships m on m.group_id = g.group_id and m.project_id = ${project}
         where wm.id is null and g.actor_id = a.id order by m.group_id limit 1) wg on true
     where a.id = ${id}
  ) wr on true`;

/** The columns of a `SecretRow` about who wrote it, besides `writtenBy`. */
export const WRITER = `wr.kind as "writerKind", wr.name as "writerName", wr.membership_id as "writerMembershipId",
  wr.group_id as "writerGroupId"`;

/** A `SecretRow`, of secrets `s` joined to their folders `f` and keys `k`. */
export const COLUMNS = `
  s.id, s.environment_id as "environmentId", s.folder_id as "folderId", f.path, s.key, s.version, s.key_version as "keyVersion",
  k.wrapped as "wrappedKey", s.sealed_value as "sealedValue", s.sealed_comment as "sealedComment",
  s.skip_multiline_encoding as "skipMultilineEncoding", ${tagsOf('s.tag_ids')} as tags, s.metadata,
  s.sealed_metadata as "sealedMetadata", s.reminder, s.created_at as "createdAt", s.updated_at as "updatedAt"`;

export interface Place {
  readonly environmentId: string | null;
  readonly folderId: string | null;
  readonly keyVersion: number;
  readonly wrappedKey: Buffer;
}

const FIND_PLACE: Statement = {
  name: 'secrets.find-place',
  text: `
    select e.id as "environmentId", f.id as "folderId", k.version as "keyVersion", k.wrapped as "wrappedKey"
      from (select version, wrapped from project_keys where project_id = $1 order by version desc limit 1) k
      left join environments e on e.project_id = $1 and e.slug = $2
      left join folders f on f.environment_id = e.id and f.path = $3`,
};

/** Where a write goes, and the project's newest key. */
export async function findPlace(db: Db, projectId: string, environment: string, path: string): Promise<Place> {
  return db.one<Place>(FIND_PLACE, [projectId, environment, path]);
}

const FIND_SECRETS: Statement = {
  name: 'secrets.find',
  text: `
    select ${COLUMNS}
      from unnest($1::uuid[], $2::text[]) as n (folder_id, key)
      join secrets s on s.folder_id = n.folder_id and s.key = n.key
      join folders f on f.id = s.folder_id
      join project_keys k on k.project_id = s.project_id and k.version = s.key_version`,
};

/** Where one secret is looked for. */
export interface SecretAddress {
  readonly folderId: string;
  readonly key: string;
}

/** Those of the addresses that hold a secret, in any order. */
export async function findSecrets(db: Db, wanted: readonly SecretAddress[]): Promise<SecretRow[]> {
  return db.query<SecretRow>(FIND_SECRETS, [wanted.map(({ folderId }) => folderId), wanted.map(({ key }) => key)]);
}

const FIND_IN_FOLDERS: Statement = {
  name: 'secrets.find-in-folders',
  text: `
    select ${COLUMNS}
      from secrets s
      join folders f on f.id = s.folder_id
      join project_keys k on k.project_id = s.project_id and k.version = s.key_version
     where s.folder_id = any ($1::uuid[])
     order by f.path, s.key`,
};

/** Every secret that lies directly in one of the folders. */
export async function findSecretsIn(db: Db, folderIds: readonly string[]): Promise<SecretRow[]> {
  return db.query<SecretRow>(FIND_IN_FOLDERS, [folderIds]);
}

const FIND_VERSION: Statement = {
  name: 'secrets.find-version',
  text: `
    select v.secret_id as id, v.environment_id as "environmentId", v.folder_id as "folderId", f.path, v.key, v.version,
           v.key_version as "keyVersion", k.wrapped as "wrappedKey", v.sealed_value as "sealedValue",
           v.sealed_comment as "sealedComment", v.skip_multiline_encoding as "skipMultilineEncoding",
           ${tagsOf('v.tag_ids')} as tags, v.metadata, v.sealed_metadata as "sealedMetadata", v.reminder,
           s.created_at as "createdAt", v.created_at as "updatedAt", v.written_by as "writtenBy", ${WRITER}
      from secrets s
      join folders f on f.id = s.folder_id
      join secret_versions v on v.secret_id = s.id and v.version = $3 and v.folder_id = s.folder_id
      join project_keys k on k.project_id = v.project_id and k.version = v.key_version${writerOf('v.written_by', 'v.project_id')}
     where s.folder_id = $1 and s.key = $2`,
};

/** An earlier version of a secret, as it stood then. */
export async function findVersion(
  db: Db,
  folderId: string,
  key: string,
  version: number,
): Promise<SecretRow | undefined> {
  return db.first<SecretRow>(FIND_VERSION, [folderId, key, version]);
}
