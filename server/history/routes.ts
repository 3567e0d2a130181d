import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  RollbackAnswer,
  RollbackFolderBody,
  RollbackFolderParams,
  RollbackSecretBody,
  RolledBackAnswer,
  SecretVersion,
  SecretVersionsAnswer,
  SecretVersionsParams,
  SecretVersionsQuery,
  SnapshotAnswer,
  SnapshotParams,
  SnapshotsAnswer,
  SnapshotsCountAnswer,
  SnapshotsCountQuery,
  SnapshotsParams,
  SnapshotsQuery,
} from '../../contracts/index.ts';
import type { Rollbacks } from './rollback.ts';
import type { History } from './service.ts';
import type { Snapshots } from './snapshots.ts';

export interface HistoryRoutesOptions {
  readonly history: History;
  readonly rollbacks: Rollbacks;
  readonly snapshots: Snapshots;
}

/** History: versions, snapshots, and the way back. */
export async function historyRoutes(scope: FastifyInstance, on: HistoryRoutesOptions): Promise<void> {
  const { history, rollbacks, snapshots } = on;
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['history'];

  app.get(
    '/api/v1/secret/:secretId/secret-versions',
    {
      schema: {
        tags,
        summary: 'List the versions of a secret, deleted or not',
        params: SecretVersionsParams,
        querystring: SecretVersionsQuery,
        response: { 200: SecretVersionsAnswer },
      },
    },
    async ({ caller, params, query }) => history.versions(caller, params.secretId, query.offset, query.limit),
  );
  app.post(
    '/api/v1/secret/:secretId/rollback',
    {
      schema: {
        tags,
        summary: 'Make an earlier version of a secret its next one, or bring a deleted secret back',
        params: SecretVersionsParams,
        body: RollbackSecretBody,
        response: { 200: SecretVersion },
      },
    },
    async ({ caller, params, body }) => history.rollback(caller, params.secretId, body.version),
  );
  app.post(
    '/api/v1/projects/:projectId/rollback',
    {
      schema: {
        tags,
        summary: 'Bring a folder back to a moment, or show what that would change',
        params: RollbackFolderParams,
        body: RollbackFolderBody,
        response: { 200: RollbackAnswer },
      },
    },
    async ({ caller, params: { projectId }, body: { commit, at: given, ...wish } }) => {
      const at = commit === undefined ? given : await snapshots.momentOf(caller, projectId, commit);
      const done = await rollbacks.rollback(caller, projectId, {
        ...wish,
        at: at === undefined ? undefined : new Date(at),
      });
      return { at: done.at.toISOString(), applied: !wish.dryRun, plan: done.plan };
    },
  );

  app.get(
    '/api/v1/workspace/:projectId/secret-snapshots',
    {
      schema: {
        tags,
        summary: 'List the moments at which a folder changed',
        params: SnapshotsParams,
        querystring: SnapshotsQuery,
        response: { 200: SnapshotsAnswer },
      },
    },
    async ({ caller, params, query: { offset, limit, ...at } }) => ({
      secretSnapshots: (await snapshots.list(caller, params.projectId, at, { offset, limit })).snapshots,
    }),
  );
  app.get(
    '/api/v1/workspace/:projectId/secret-snapshots/count',
    {
      schema: {
        tags,
        summary: 'Count the moments at which a folder changed',
        params: SnapshotsParams,
        querystring: SnapshotsCountQuery,
        response: { 200: SnapshotsCountAnswer },
      },
    },
    async ({ caller, params, query }) => ({
      count: (await snapshots.list(caller, params.projectId, query, { offset: 0, limit: 1 })).count,
    }),
  );
  app.get(
    '/api/v1/secret-snapshot/:snapshotId',
    {
      schema: {
        tags,
        summary: 'Read a folder as it was',
        params: SnapshotParams,
        response: { 200: SnapshotAnswer },
      },
    },
    async ({ caller, params }) => ({ secretSnapshot: await snapshots.get(caller, params.snapshotId) }),
  );
  app.post(
    '/api/v1/secret-snapshot/:snapshotId/rollback',
    {
      schema: {
        tags,
        summary: 'Bring a folder back to a snapshot',
        params: SnapshotParams,
        response: { 200: RolledBackAnswer },
      },
    },
    async ({ caller, params }) => ({ secretSnapshot: await snapshots.rollback(caller, params.snapshotId) }),
  );
}
