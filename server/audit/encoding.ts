import { hash } from 'node:crypto';

/**
 * How a row becomes the leaf of a seal, in SQL for the sealer and here for the verification, which does not take the
 * database's word. Format 1: for each column in this order its text as `length:bytes`, or `-` for null, behind the name of
 * the format and the table; then SHA-256 behind a 0 (RFC 6962). A later format gets a name of its own beside this one.
 */

export type SealedTable = 'audit_log' | 'audit_manifests' | 'audit_attestations';

/** Every column; a test holds the lists equal to the tables. */
export const COLUMNS: Record<SealedTable, readonly string[]> = {
  audit_log: [
    'id',
    'at',
    'xid',
    'organization_id',
    'project_id',
    'project_slug',
    'environment',
    'secret_path',
    'action',
    'event',
    'outcome',
    'actor_kind',
    'actor_id',
    'actor_name',
    'secret_key',
    'manifest_id',
    'metadata',
    'ip',
    'user_agent',
    'request_id',
  ],
  audit_manifests: ['id', 'xid', 'keys', 'created_at'],
  audit_attestations: ['n', 'xid', 'tab', 'row_id', 'columns', 'digest', 'mac'],
};

/** The column that names a row, and that orders the rows of one transaction. */
export const NAMED_BY: Record<SealedTable, string> = {
  audit_log: 'id',
  audit_manifests: 'id',
  audit_attestations: 'n',
};

const FORMAT = 'kms-audit/1';
const framed = (column: string) => `coalesce(octet_length(${column}::text) || ':' || ${column}::text, '-')`;

/** The leaf of a row, as an SQL expression over the table's columns. */
export const leafSql = (table: SealedTable): string => `
  pg_catalog.sha256('\\x00'::bytea || convert_to('${FORMAT} ${table} ' || ${COLUMNS[table].map(framed).join(' || ')}, 'UTF8'))`;

/** The name of a row as 8 bytes, as an SQL expression: enough to find it by, or to say which one is gone. */
export const nameSql = (table: SealedTable): string =>
  table === 'audit_attestations' ? 'int8send(n)' : 'substring(uuid_send(id) from 1 for 8)';

/** The leaf of a row whose columns came as text, in the order of COLUMNS. */
export function leafOf(table: SealedTable, columns: readonly (string | null)[]): Buffer {
  let text = `\0${FORMAT} ${table} `;
  for (const column of columns) text += column === null ? '-' : `${Buffer.byteLength(column)}:${column}`;
  return hash('sha256', text, 'buffer') as Buffer;
}

export const HINT_BYTES = 12;
export const NAME_BYTES = 8;
