import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AuditExport,
  AuditFilters,
  AuditLogsAnswer,
  AuditQuery,
  OrganizationParams,
  ProjectIdParams,
} from '../../contracts/index.ts';
import type { Caller } from '../access/access.ts';
import type { AuditRow } from './query-store.ts';
import type { AuditQueries } from './service.ts';
import { showRecord } from './show.ts';

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
    return { auditLogs: rows.map(showRecord), nextCursor };
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
  for await (const rows of pages) yield `${rows.map((row) => JSON.stringify(showRecord(row))).join('\n')}\n`;
}
