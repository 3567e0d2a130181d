/**
 * Where the database holds something sealed: rotations walk these lists, and prove by a count over them that nothing is
 * left under an old key. A test fails on a `…sealed…` column of bytea that is in neither list.
 */

/** A column that holds what `keyring.sealConfig` sealed. */
export interface ConfigColumn {
  readonly table: string;
  /** The bytea column, which may be null. */
  readonly column: string;
  /** The column whose text is the `ownerId`; with the table it names one row. */
  readonly owner: string;
  readonly purpose: string;
}

/** Sealed under the instance's configuration key. */
export const CONFIG_COLUMNS: readonly ConfigColumn[] = [
  { table: 'machine_logins', column: 'sealed_reviewer_token', owner: 'id', purpose: 'kubernetes-token-reviewer' },
  { table: 'totp_factors', column: 'sealed_seed', owner: 'user_id', purpose: 'totp' },
  { table: 'oidc_providers', column: 'sealed_client_secret', owner: 'id', purpose: 'oidc-client-secret' },
  { table: 'audit_streams', column: 'sealed_secrets', owner: 'id', purpose: 'audit-stream' },
];

/** Sealed under a project's key, as `table.column`. */
export const PROJECT_COLUMNS: readonly string[] = [
  'secrets.sealed_value',
  'secrets.sealed_comment',
  'secrets.sealed_metadata',
  'secret_versions.sealed_value',
  'secret_versions.sealed_comment',
  'secret_versions.sealed_metadata',
  'personal_secrets.sealed_value',
  'personal_secrets.sealed_comment',
];
