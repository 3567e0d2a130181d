/** A table whose rows let somebody do something, or say where they may. */
export interface AttestedTable {
  readonly name: string;
  /** The columns that name a row, as the trigger has them. */
  readonly key: readonly string[];
  /** Columns that mean nothing for access: they may change without an attestation. */
  readonly skipped: readonly string[];
  /**
   * `change`: a row is as it was made until the server changes it, and only then attested. For rows that are worth nothing
   * by themselves and made too often to attest each. @default creation
   */
  readonly since?: 'creation' | 'change';
}

const times = ['created_at', 'updated_at'];
const table = (name: string, skipped: readonly string[] = times, key: readonly string[] = ['id']): AttestedTable => ({
  name,
  key,
  skipped,
});
// A token is a signature over what its row says of its holder (access.ts compares both), so a row that somebody puts in is
// no token. What only the row says is that a token was revoked.
const accessTokens: AttestedTable = {
  ...table('access_tokens', ['name', 'num_uses', 'created_at', 'expires_at']),
  since: 'change',
};

/**
 * Tables whose every change is attested: in the transaction that makes it, the server signs off each changed row with a
 * key that the database does not have. A grant that somebody wrote straight into one of them has no attestation, and an
 * old one that was put back is not what the newest says. A table that grants something belongs here, and its migration
 * calls `attest_table` with the same columns; a test holds both equal.
 */
export const ATTESTED: readonly AttestedTable[] = [
  accessTokens,
  table('actors', ['change_id', ...times]),
  table('audit_streams', ['next', 'after_id', 'failures', 'retry_at', 'last_error', 'last_sent_at', ...times]),
  table('client_secrets', [...times, 'num_uses', 'description', 'mac_key_version']),
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
  table('recovery_codes', [], ['user_id', 'mac']),
  table('renewable_secrets', ['created_at'], ['client_secret_id']),
  table('secret_imports', ['position', 'version', ...times]),
  table('service_tokens', ['name', 'created_by', ...times]),
  table('sessions', ['selected_organization_id', 'generation', 'rotated_at', 'ip', 'user_agent', 'created_at']),
  table('sso_identities', ['created_at'], ['organization_id', 'issuer', 'subject']),
  table('totp_factors', ['last_step', 'created_at'], ['user_id']),
  table('universal_auths'),
  table('users', ['first_name', 'last_name']),
];

/** Rows of attested tables go when rows of these do. */
const PARENTS = ['organizations'];

const whole = ATTESTED.filter(({ since }) => since !== 'change').map(({ name }) => name);
const CHANGES = new RegExp(
  `\\b(?:(?:insert\\s+into|update|delete\\s+from)\\s+(?:${[...whole, ...PARENTS].join('|')})|update\\s+access_tokens)\\b`,
  'i',
);
/**
 * A login counts a use of its secret, a request one of its token, a renewal moves the token's end, and none changes
 * anything else: the hot ways are not made slower.
 */
const COUNTS_USES =
  /update\s+(?:client_secrets|access_tokens)(?:\s+(?:as\s+)?\w+)?\s+set\s+(?:num_uses|expires_at|name)\b/gi;

/** Whether a statement may change a row of an attested table. */
export const changesAttested = (text: string): boolean => CHANGES.test(text.replace(COUNTS_USES, ''));
