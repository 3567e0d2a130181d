import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreatedStreamAnswer,
  CreateStreamBody,
  StreamAnswer,
  StreamParams,
  StreamsAnswer,
  StreamsQuery,
  UpdateStreamBody,
} from '../../contracts/index.ts';
import type { AuditStreams } from './service.ts';

/** Audit log streams, at Infisical's addresses. */
export async function auditStreamsRoutes(
  scope: FastifyInstance,
  { streams }: { streams: AuditStreams },
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['audit'];
  const base = '/api/v1/audit-log-streams';
  const one = { tags, params: StreamParams, response: { 200: StreamAnswer } };

  app.post(
    base,
    {
      schema: {
        tags,
        summary: 'Have the audit of an organization sent to a URL, from now on',
        body: CreateStreamBody,
        response: { 200: CreatedStreamAnswer },
      },
    },
    async ({ caller, body }) => ({ auditLogStream: await streams.create(caller, body) }),
  );
  app.get(
    base,
    {
      schema: {
        tags,
        summary: 'List the audit log streams',
        querystring: StreamsQuery,
        response: { 200: StreamsAnswer },
      },
    },
    async ({ caller, query }) => ({ auditLogStreams: await streams.list(caller, query.organizationId) }),
  );
  app.get(
    `${base}/:streamId`,
    { schema: { ...one, summary: 'Read an audit log stream' } },
    async ({ caller, params }) => ({ auditLogStream: await streams.get(caller, params.streamId) }),
  );
  app.patch(
    `${base}/:streamId`,
    { schema: { ...one, summary: 'Change where an audit log stream goes', body: UpdateStreamBody } },
    async ({ caller, params, body }) => ({ auditLogStream: await streams.update(caller, params.streamId, body) }),
  );
  app.delete(
    `${base}/:streamId`,
    { schema: { ...one, summary: 'End an audit log stream' } },
    async ({ caller, params }) => ({ auditLogStream: await streams.remove(caller, params.streamId) }),
  );
}
