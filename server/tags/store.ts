import type { Db, Statement } from '../database/database.ts';

export interface TagRow {
  readonly id: string;
  readonly projectId: string;
  readonly slug: string;
  readonly name: string;
  readonly color: string;
  readonly createdBy: string | null;
  readonly createdByKind: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const COLUMNS = `
  t.id, t.project_id as "projectId", t.slug, t.name, t.color, t.created_by as "createdBy", t.created_by_kind as "createdByKind",
  t.created_at as "createdAt", t.updated_at as "updatedAt"`;

const LIST: Statement = {
  name: 'tags.list',
  text: `select ${COLUMNS} from tags t where t.project_id = $1 order by t.slug`,
};

export async function listTags(db: Db, projectId: string): Promise<TagRow[]> {
  return db.query<TagRow>(LIST, [projectId]);
}

const FIND: Statement = {
  name: 'tags.find',
  text: `select ${COLUMNS} from tags t where t.project_id = $1 and t.id = any ($2::uuid[])`,
};

/** Those of the ids that are tags of the project. */
export async function findTags(db: Db, projectId: string, ids: readonly string[]): Promise<TagRow[]> {
  return db.query<TagRow>(FIND, [projectId, ids]);
}

const FIND_BY_SLUG: Statement = {
  name: 'tags.find-by-slug',
  text: `select ${COLUMNS} from tags t where t.project_id = $1 and t.slug = any ($2::text[])`,
};

export async function findTagsBySlug(db: Db, projectId: string, slugs: readonly string[]): Promise<TagRow[]> {
  return db.query<TagRow>(FIND_BY_SLUG, [projectId, slugs]);
}

const INSERT: Statement = {
  name: 'tags.insert',
  text: `
    insert into tags as t (project_id, slug, name, color, created_by, created_by_kind)
    values ($1, $2, $3, $4, $5, $6) returning ${COLUMNS}`,
};

export async function insertTag(
  db: Db,
  tag: {
    readonly projectId: string;
    readonly slug: string;
    readonly name: string;
    readonly color: string;
    readonly maker: { readonly id: string; readonly kind: string };
  },
): Promise<TagRow> {
  const { projectId, slug, name, color, maker } = tag;
  return db.one<TagRow>(INSERT, [projectId, slug, name, color, maker.id, maker.kind]);
}

const UPDATE: Statement = {
  name: 'tags.update',
  text: `
    update tags t
       set slug = coalesce($3, slug), name = coalesce($4, name), color = coalesce($5, color), updated_at = now()
     where t.project_id = $1 and t.id = $2 returning ${COLUMNS}`,
};

export async function updateTag(
  db: Db,
  projectId: string,
  id: string,
  change: {
    readonly slug?: string | undefined;
    readonly name?: string | undefined;
    readonly color?: string | null | undefined;
  },
): Promise<TagRow | undefined> {
  const { slug, name, color } = change;
  const rows = await db.query<TagRow>(UPDATE, [projectId, id, slug ?? null, name ?? null, color ?? null]);
  return rows[0];
}

const DECIDES: Statement = {
  name: 'tags.decides',
  text: `
    select exists (select from project_roles where project_id = $1 and permissions @? '$[*].conditions.secretTags')
       and (exists (select from secrets where project_id = $1 and $2::uuid = any (tag_ids))
         or exists (select from secret_versions where project_id = $1 and $2::uuid = any (tag_ids))) as decides`,
};

/** Whether the tag may decide about access: rules of the project speak of tags, and a secret carries it, or did in its history. */
export async function decidesAccess(db: Db, projectId: string, id: string): Promise<boolean> {
  return (await db.one<{ decides: boolean }>(DECIDES, [projectId, id])).decides;
}

// The secrets let go of it in place: taking a tag away everywhere is a change of the tag, and no new version of each secret.
const DELETE: Statement = {
  name: 'tags.delete',
  text: `
    with untagged as (
      update secrets set tag_ids = array_remove(tag_ids, $2::uuid) where project_id = $1 and $2::uuid = any (tag_ids)
    )
    delete from tags t where t.project_id = $1 and t.id = $2 returning ${COLUMNS}`,
};

export async function deleteTag(db: Db, projectId: string, id: string): Promise<TagRow | undefined> {
  return db.first<TagRow>(DELETE, [projectId, id]);
}
