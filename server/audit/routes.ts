import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AuditExport,
  AuditFilters,
  type AuditLog,
  AuditLogsAnswer,
  AuditQuery,
  OrganizationParams,
  ProjectIdParams,
} from '../../contracts/index.ts';
import type { Caller } from '../access/access.ts';
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

  const answer = async (caller: Caller, query: AuditQuery) => {
    const { rows, nextCursor } = await queries.query(caller, query);
    return { auditLogs: rows.map(show), nextCursor };
  };

  app.get('/api/v1/audit-logs', { schema }, async ({ caller, query }) => answer(caller, query));
  // Infisical's of today: the organization is the one of the token.
  app.get('/api/v1/organization/audit-logs', { schema }, async ({ caller, query }) => answer(caller, query));
  app.get(
    '/api/v1/organization/:organizationId/audit-logs',
    { schema: { ...schema, params: OrganizationParams } },
    async ({ caller, query, params }) => answer(caller, { ...query, organizationId: params.organizationId }),
  );
  app.get(
    '/api/v1/workspace/:projectId/audit-logs',
    { schema: { ...schema, params: ProjectIdParams } },
    async ({ caller, query, params }) =>
      answer(caller, { ...query, projectId: params.projectId, organizationId: undefined }),
  );

  app.get(
    '/api/v1/audit-logs/export',
    {
      schema: {
        tags: ['audit'],
        summary: 'Export the audit as newline-delimited JSON',
        querystring: AuditFilters,
        response: { 200: { content: { 'application/x-ndjson': { schema: AuditExport } } } },
      },
    },
    async ({ caller, query }, reply) => {
      const pages = await queries.export(caller, query);
      return reply.type('application/x-ndjson').send(Readable.from(linesOf(pages)) as never);
    },
  );
}

async function* linesOf(pages: AsyncGenerator<AuditRow[]>): AsyncGenerator<string> {
  for await (const rows of pages) yield `${rows.map((row) => JSON.stringify(show(row))).join('\n')}\n`;
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
    userAgentType: row.userAgentType as AuditLog['userAgentType'],
    orgId: row.organizationId,
    projectId: row.projectId,
    createdAt: at,
  };
}

const actorMetadata = (row: AuditRow): Record<string, unknown> =>
  row.actorKind === 'identity'
    ? { identityId: row.actorId, name: row.actorName }
    : { userId: row.actorId, email: row.actorName, username: row.actorName };
