import type { Project } from '../../contracts/index.ts';
import type { ProjectRow } from './store.ts';

/** What Infisical shows where nobody has set a limit. Here nothing is cut then. */
const UNSET_VERSION_LIMIT = 10;

export function show(row: ProjectRow): Project {
  const { id, name, slug, description, organizationId: orgId, deleteProtection: hasDeleteProtection } = row;
  return {
    id,
    _id: id,
    name,
    slug,
    description,
    type: 'secret-manager',
    orgId,
    autoCapitalization: row.autoCapitalization,
    pitVersionLimit: row.versionLimit ?? UNSET_VERSION_LIMIT,
    keepsAllVersions: row.versionLimit === null,
    auditLogsRetentionDays: row.auditRetentionDays,
    version: 3,
    upgradeStatus: null,
    kmsCertificateKeyId: null,
    kmsSecretManagerKeyId: null,
    hasDeleteProtection,
    unresolvedReferences: row.unresolvedReferences,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    environments: [...row.environments],
  };
}
