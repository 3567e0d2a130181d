/** A table whose rows let somebody do something, or say where they may. */
export interface AttestedTable {
  readonly name: string;
  /** The columns that name a row, as the trigger has them. */
  readonly key: readonly string[];
  /** Columns that mean nothing for access: they may change without an attestation. */
  readonly skipped: readonly string[];
}

const times = ['created_at', 'updated_at'];
const table = (name: string, skipped: readonly string[] = times, key: readonly string[] = ['id']): AttestedTable => ({
  name,
  key,
  skipped,
});

/**
 * Tables whose every change is attested: in the transaction that makes it, the server signs off each changed row with a
 * key that the database does not have. A grant that somebody wrote straight into one of them has no attestation, and an
 * old one that was put back is not what the newest says. A table that grants something belongs here, and its migration
 * calls `attest_table` with the same columns; a test holds both equal.
 */
export const ATTESTED: readonly AttestedTable[] = [
  table('actors', ['change_id', ...times]),
  table('audit_streams', ['next', 'after_id', 'failures', 'retry_at', 'last_error', 'last_sent_at', ...times]),
  table('client_secrets', [...times, 'num_uses', 'description']),
  table('environments', ['name', 'position', ...times]),
  table('folder_shares', ['created_at']),
  table('folders', ['version', ...times]),
  table('group_members', ['created_at'], ['group_id', 'actor_id']),
  table('groups', ['name', ...times]),
  table('identities', ['name']),
  table('machine_logins'),
  table('oidc_providers'),
  table('one_time_links', ['created_at']),
  table('organization_memberships'),
  table('organization_roles', ['name', 'description', ...times]),
  table('project_membership_roles'),
  table('project_memberships'),
  table('project_roles', ['name', 'description', ...times]),
  table('projects', ['name', 'description', 'change_id', ...times]),
  table('secret_imports', ['position', 'version', ...times]),
  table('service_tokens', ['name', 'created_by', ...times]),
  table('sso_identities', ['created_at'], ['organization_id', 'issuer', 'subject']),
  table('totp_factors', ['last_step', 'created_at'], ['user_id']),
  table('universal_auths'),
  table('users', ['first_name', 'last_name']),
];

/** Rows of attested tables go when rows of these do. */
const PARENTS = ['organizations'];

const CHANGES = new RegExp(
  `\\b(?:insert\\s+into|update|delete\\s+from)\\s+(?:${[...ATTESTED.map(({ name }) => name), ...PARENTS].join('|')})\\b`,
  'i',
);
/** A login counts a use of its secret and changes nothing else about it: the hot way in is not made slower. */
const COUNTS_USES = /update\s+client_secrets(?:\s+(?:as\s+)?\w+)?\s+set\s+num_uses\b/gi;

/** Whether a statement may change a row of an attested table. */
export const changesAttested = (text: string): boolean => CHANGES.test(text.replace(COUNTS_USES, ''));
