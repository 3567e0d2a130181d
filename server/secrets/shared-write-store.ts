import { columns } from '../database/columns.ts';
import type { Db, Statement } from '../database/database.ts';
import { COLUMNS, type SecretRow } from './store.ts';

/** Where one secret is, or is to be. */
export interface WriteAddress {
  readonly projectId: string;
  readonly environment: string;
  readonly path: string;
  readonly key: string;
}

/** The folder of an address, what is needed to seal there, and the secret that is there. */
export interface WriteSpot {
  readonly n: number;
  readonly homeEnvironmentId: string;
  readonly homeFolderId: string;
  /** The project's newest data key. */
  readonly newestVersion: number;
  readonly newestKey: Buffer;
  readonly at: Date;
  /** The project wants names in upper case. */
  readonly upperCase: boolean;
  readonly secret: SecretRow | undefined;
}

// Each lateral look-up is planned by itself, with both of its columns known, and so goes by the whole of its unique index. As
// plain joins they were planned to read all secrets of the folder for each address.
const FIND_SPOTS: Statement = {
  name: 'secrets.find-spots',
  text: `
    select n.n::int as n, e.id as "homeEnvironmentId", f.id as "homeFolderId", newest.version as "newestVersion",
           newest.wrapped as "newestKey", (select auto_capitalization from projects where id = n.project_id) as "upperCase",
           date_trunc('milliseconds', clock_timestamp()) as "now", ${COLUMNS}
      from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) with ordinality as n (project_id, environment, path, key, n)
      join environments e on e.project_id = n.project_id and e.slug = n.environment
      cross join lateral (select id, path from folders where environment_id = e.id and path = n.path limit 1) f
      cross join lateral (
        select version, wrapped from project_keys where project_id = n.project_id order by version desc limit 1) newest
      left join lateral (select * from secrets where folder_id = f.id and key = n.key limit 1) s on true
      left join project_keys k on k.project_id = s.project_id and k.version = s.key_version`,
};

/** Looks many addresses up at once. Those whose folder is not there are missing. */
export async function findSpots(
  tx: Db,
  addresses: readonly WriteAddress[],
): Promise<ReadonlyMap<WriteAddress, WriteSpot>> {
  const rows = await tx.query<Omit<WriteSpot, 'secret'> & { readonly now: Date } & SecretRow>(
    FIND_SPOTS,
    columns(addresses, 'projectId', 'environment', 'path', 'key'),
  );
  return new Map(
    rows.map((row) => [addresses[row.n - 1]!, { ...row, at: row.now, secret: row.id === null ? undefined : row }]),
  );
}
