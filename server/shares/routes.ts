import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  type FolderShare,
  ProjectIdParams,
  ShareAnswer,
  ShareFolderBody,
  ShareParams,
  SharesAnswer,
} from '../../contracts/index.ts';
import type { Shares } from './service.ts';
import type { ShareRow } from './store.ts';

/** Folders shared with other projects: a route of our own, beside the imports that draw from them. */
export async function sharesRoutes(scope: FastifyInstance, { shares }: { shares: Shares }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['folder shares'];
  const base = '/api/v1/projects/:projectId/folder-shares';
  const response = { 200: ShareAnswer };

  app.post(
    base,
    {
      schema: {
        tags,
        summary: 'Let another project import a folder',
        params: ProjectIdParams,
        body: ShareFolderBody,
        response,
      },
    },
    async ({ caller, params, body }) => ({ folderShare: show(await shares.share(caller, params.projectId, body)) }),
  );
  app.get(
    base,
    {
      schema: {
        tags,
        summary: 'List the folders that a project shares',
        params: ProjectIdParams,
        response: { 200: SharesAnswer },
      },
    },
    async ({ caller, params }) => ({ folderShares: (await shares.given(caller, params.projectId)).map(show) }),
  );
  app.get(
    `${base}/received`,
    {
      schema: {
        tags,
        summary: 'List the folders that others share with a project',
        params: ProjectIdParams,
        response: { 200: SharesAnswer },
      },
    },
    async ({ caller, params }) => ({ folderShares: (await shares.received(caller, params.projectId)).map(show) }),
  );
  app.delete(
    `${base}/:shareId`,
    { schema: { tags, summary: 'Share a folder no longer', params: ShareParams, response } },
    async ({ caller, params }) => ({
      folderShare: show(await shares.withdraw(caller, params.projectId, params.shareId)),
    }),
  );
}

const show = (row: ShareRow): FolderShare => ({ ...row, createdAt: row.createdAt.toISOString() });
