import type { Db, Statement } from '../database/database.ts';

const AT_ONCE = 1_000;

// Two replicas may prune at once: each takes the rows that the other does not hold.
const PRUNE: Statement = {
  name: 'history.prune',
  text: `
    with over as (
      select v.secret_id, v.version
        from projects p
        join secret_versions v on v.project_id = p.id
       where p.version_limit is not null
         and v.version <= p.version_limit * -1 + greatest(
               (select max(o.version) from secret_versions o where o.secret_id = v.secret_id),
               (select s.version from secrets s where s.id = v.secret_id))
       limit ${AT_ONCE}
         for update of v skip locked
    ),
    pruned as (
      delete from secret_versions v using over where v.secret_id = over.secret_id and v.version = over.version returning 1
    )
    select count(*)::int as count from pruned`,
};

/** Ends some of the versions that are more than their projects keep; answers how many. */
export async function pruneVersions(db: Db): Promise<number> {
  return (await db.one<{ count: number }>(PRUNE, [])).count;
}

const INCOMPLETE: Statement = {
  name: 'history.pruned-since',
  text: `
    with seen as (
      select id from secrets where folder_id = any ($1::uuid[])
      union
      select secret_id from secret_versions where folder_id = any ($1::uuid[])
    ),
    oldest as (
      select distinct on (id) id, key, version, since, made
        from (select s.id, s.key, s.version, s.updated_at as since, s.created_at as made
                from seen join secrets s on s.id = seen.id
              union all
              select v.secret_id, v.key, v.version, v.created_at, coalesce(v.secret_created_at, v.created_at)
                from seen join secret_versions v on v.secret_id = seen.id) versions
       order by id, version
    )
    select key from oldest where version > 1 and made <= $2 and since > $2 order by key limit 1`,
};

/** A secret of these folders whose content at a moment is pruned; nothing when all is there. */
export async function prunedAt(db: Db, folderIds: readonly string[], at: Date): Promise<string | undefined> {
  return (await db.first<{ key: string }>(INCOMPLETE, [folderIds, at]))?.key;
}
