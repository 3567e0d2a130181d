import type { AuditLog } from '../../contracts/index.ts';
import type { AuditRow } from './query-store.ts';

/** A record as the API shows it: HIP-27's facts by their names, and Infisical's shape beside them. */
export function showRecord(row: AuditRow): AuditLog {
  const listed = row.listedKeys === null ? {} : { numberOfSecrets: row.listedKeys.length };
  const at = row.at.toISOString();
  return {
    id: row.id,
    who: row.actorName ?? row.actorId ?? row.actorKind,
    what: row.secretKey === null ? (row.listedKeys ?? []) : [row.secretKey],
    when: at,
    where: row.ip,
    action: row.action,
    project: row.projectSlug,
    environment: row.environment,
    outcome: row.outcome,
    event: {
      type: row.event,
      metadata: {
        ...row.metadata,
        ...listed,
        ...(row.environment === null ? {} : { environment: row.environment }),
        ...(row.secretPath === null ? {} : { secretPath: row.secretPath }),
        ...(row.secretKey === null ? {} : { secretKey: row.secretKey }),
      },
    },
    actor: { type: row.actorKind, metadata: actorMetadata(row) },
    ipAddress: row.ip,
    userAgent: row.userAgent,
    userAgentType: row.userAgentType as AuditLog['userAgentType'],
    orgId: row.organizationId,
    projectId: row.projectId,
    createdAt: at,
    updatedAt: at,
    expiresAt: null,
  };
}

function actorMetadata(row: AuditRow): Record<string, unknown> {
  if (row.actorKind === 'identity') return { identityId: row.actorId, name: row.actorName };
  if (row.actorKind === 'service') return { serviceId: row.actorId, name: row.actorName };
  return { userId: row.actorId, email: row.actorName, username: row.actorName };
}
