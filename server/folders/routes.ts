import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateFolderBody,
  DeleteFolderBody,
  FolderAnswer,
  FolderIdOrNameParams,
  FolderIdParams,
  FoldersAnswer,
  ListFoldersQuery,
  PlacedFolderAnswer,
  UpdateFolderBody,
} from '../../contracts/index.ts';
import type { Folders } from './service.ts';
import type { FolderRow } from './store.ts';

/** Folders: `/api/v1/folders`, and `/api/v2/folders` as today's clients call it. */
export async function foldersRoutes(scope: FastifyInstance, { folders }: { folders: Folders }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['folders'];
  const response = { 200: FolderAnswer };

  for (const base of ['/api/v1/folders', '/api/v2/folders']) {
    app.post(
      base,
      { schema: { tags, summary: 'Create a folder', body: CreateFolderBody, response } },
      async ({ caller, body }) => ({
        folder: show(await folders.create(caller, body, body.name)),
      }),
    );
    app.get(
      base,
      {
        schema: {
          tags,
          summary: 'List the folders in a folder',
          querystring: ListFoldersQuery,
          response: { 200: FoldersAnswer },
        },
      },
      async ({ caller, query }) => ({ folders: (await folders.list(caller, query, query.recursive)).map(show) }),
    );
    app.get(
      `${base}/:folderId`,
      {
        schema: { tags, summary: 'Read a folder', params: FolderIdParams, response: { 200: PlacedFolderAnswer } },
      },
      async ({ caller, params }) => ({ folder: showPlaced(await folders.get(caller, params.folderId)) }),
    );
    app.patch(
      `${base}/:folderId`,
      { schema: { tags, summary: 'Rename a folder', params: FolderIdParams, body: UpdateFolderBody, response } },
      async ({ caller, params, body }) => ({
        folder: show(await folders.rename(caller, body, params.folderId, body.name)),
      }),
    );
    app.delete(
      `${base}/:folderId`,
      {
        schema: {
          tags,
          summary: 'Delete a folder and all in it',
          params: FolderIdOrNameParams,
          body: DeleteFolderBody,
          response,
        },
      },
      async ({ caller, params, body }) => ({ folder: show(await folders.remove(caller, body, params.folderId)) }),
    );
  }
}

function show(row: FolderRow) {
  const { id, name, path, version, environmentId: envId, parentId, createdAt, updatedAt } = row;
  return {
    id,
    name,
    path,
    version,
    envId,
    parentId,
    isReserved: false,
    createdAt: createdAt.toISOString(),
    updatedAt: updatedAt.toISOString(),
  };
}

function showPlaced(row: FolderRow) {
  const { projectId, environmentId: envId, environmentName: envName, environment: envSlug } = row;
  return { ...show(row), projectId, environment: { envId, envName, envSlug } };
}
