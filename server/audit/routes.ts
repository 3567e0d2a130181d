import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { AuditLogsAnswer, AuditQuery, OrganizationParams, ProjectIdParams } from '../../contracts/index.ts';
import type { AuditRow } from './query-store.ts';
import type { AuditQueries } from './service.ts';

/** The audit's query, as HIP-27 writes it, and at Infisical's addresses. */
export async function auditRoutes(scope: FastifyInstance, { queries }: { queries: AuditQueries }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const schema = {
    tags: ['audit'],
    summary: 'Query the audit',
    querystring: AuditQuery,
    response: { 200: AuditLogsAnswer },
  };

  app.get('/api/v1/audit-logs', { schema }, async ({ caller, query }) => ({
    auditLogs: (await queries.query(caller, query)).map(show),
  }));
  app.get(
    '/api/v1/organization/:organizationId/audit-logs',
    { schema: { ...schema, params: OrganizationParams } },
    async (request) => {
      const { organizationId } = request.params;
      return { auditLogs: (await queries.query(request.caller, { ...request.query, organizationId })).map(show) };
    },
  );
  app.get(
    '/api/v1/workspace/:projectId/audit-logs',
    { schema: { ...schema, params: ProjectIdParams } },
    async (request) => {
      const { projectId } = request.params;
      const query = { ...request.query, projectId, organizationId: undefined };
      return { auditLogs: (await queries.query(request.caller, query)).map(show) };
    },
  );
}

function show(row: AuditRow) {
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
    userAgentType: classify(row.userAgent),
    orgId: row.organizationId,
    projectId: row.projectId,
    createdAt: at,
  };
}

const actorMetadata = (row: AuditRow): Record<string, unknown> =>
  row.actorKind === 'identity'
    ? { identityId: row.actorId, name: row.actorName }
    : { userId: row.actorId, email: row.actorName, username: row.actorName };

const CLASSES: readonly (readonly [RegExp, string])[] = [
  [/^(cli|infisical-cli|kms-cli)/i, 'cli'],
  [/^(k8-operator|kms-operator)/i, 'k8-operator'],
  [/terraform/i, 'terraform'],
  [/^InfisicalNodeSDK/i, 'InfisicalNodeSDK'],
  [/^InfisicalPythonSDK/i, 'InfisicalPythonSDK'],
  [/^Mozilla\//, 'web'],
];

function classify(userAgent: string | null): string {
  return CLASSES.find(([pattern]) => pattern.test(userAgent ?? ''))?.[1] ?? 'other';
}
