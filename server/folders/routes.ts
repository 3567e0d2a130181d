import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateFolderBody,
  CreateFoldersBody,
  DeleteFolderBody,
  DeleteFoldersBody,
  FolderAnswer,
  FolderIdOrNameParams,
  FolderIdParams,
  FolderPathParams,
  FoldersAnswer,
  FolderTreeAnswer,
  ListedFoldersAnswer,
  ListFoldersQuery,
  PlacedFolderAnswer,
  ProjectIdParams,
  UpdateFolderBody,
  UpdateFoldersBody,
} from '../../contracts/index.ts';
import { show as showEnvironment } from '../environments/show.ts';
import type { Folders } from './service.ts';
import { show, showListed, showPlaced } from './show.ts';

/** Folders: `/api/v1/folders`, and `/api/v2/folders` as today's clients call it. */
export async function foldersRoutes(scope: FastifyInstance, { folders }: { folders: Folders }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['folders'];
  const response = { 200: FolderAnswer };
  const within = ({ projectId: id }: { readonly projectId: string }) => ({ id });

  for (const base of ['/api/v1/folders', '/api/v2/folders']) {
    await batchRoutes(scope, base, folders);
    app.post(
      base,
      { schema: { tags, summary: 'Create a folder', body: CreateFolderBody, response } },
      async ({ caller, body }) => ({ folder: show((await folders.create(caller, within(body), [body]))[0]!) }),
    );
    app.get(
      base,
      {
        schema: {
          tags,
          summary: 'List the folders in a folder',
          querystring: ListFoldersQuery,
          response: { 200: ListedFoldersAnswer },
        },
      },
      async ({ caller, query }) => {
        const { lastSecretModified } = query;
        const since = lastSecretModified === undefined ? undefined : new Date(lastSecretModified);
        const found = await folders.list(caller, query, { ...query, since });
        return { folders: query.recursive ? found.map((row) => showListed(row, query.path)) : found.map(show) };
      },
    );
    app.get(
      `${base}/:folderId`,
      {
        schema: { tags, summary: 'Read a folder', params: FolderIdParams, response: { 200: PlacedFolderAnswer } },
      },
      async ({ caller, params }) => ({ folder: showPlaced(await folders.get(caller, params.folderId)) }),
    );
    app.get(
      `${base}/:projectId/:environment/:path`,
      {
        schema: {
          tags,
          summary: 'Read a folder by where it is',
          params: FolderPathParams,
          response: { 200: PlacedFolderAnswer },
        },
      },
      async ({ caller, params }) => ({ folder: showPlaced(await folders.getAt(caller, params)) }),
    );
    app.patch(
      `${base}/:folderId`,
      {
        schema: {
          tags,
          summary: 'Rename a folder, and describe it',
          params: FolderIdOrNameParams,
          body: UpdateFolderBody,
          response,
        },
      },
      async ({ caller, params, body }) => {
        const [folder] = await folders.update(caller, within(body), [{ ...body, id: params.folderId }]);
        return { folder: show(folder!) };
      },
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
      async ({ caller, params, body }) => {
        const [folder] = await folders.remove(caller, within(body), [{ ...body, id: params.folderId }]);
        return { folder: show(folder!) };
      },
    );
  }

  app.get(
    '/api/v1/projects/:projectId/environment-folder-tree',
    {
      schema: {
        tags,
        summary: 'List all environments of a project with all of their folders',
        params: ProjectIdParams,
        response: { 200: FolderTreeAnswer },
      },
    },
    async ({ caller, params }) => {
      const tree = await folders.tree(caller, params.projectId);
      return Object.fromEntries(
        tree.map(({ environment, folders: within }) => [
          environment.slug,
          { ...showEnvironment(environment), folders: within.map(show) },
        ]),
      );
    },
  );
}

/** Several folders at once, all or none. Infisical has the changing of them alone. */
async function batchRoutes(scope: FastifyInstance, base: string, folders: Folders): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const batch = { tags: ['folders'], response: { 200: FoldersAnswer } };
  app.post(
    `${base}/batch`,
    { schema: { ...batch, summary: 'Create folders, all or none', body: CreateFoldersBody } },
    async ({ caller, body }) => ({ folders: (await folders.create(caller, body.project, body.folders)).map(show) }),
  );
  app.patch(
    `${base}/batch`,
    { schema: { ...batch, summary: 'Rename and describe folders, all or none', body: UpdateFoldersBody } },
    async ({ caller, body }) => ({ folders: (await folders.update(caller, body.project, body.folders)).map(show) }),
  );
  app.delete(
    `${base}/batch`,
    { schema: { ...batch, summary: 'Delete folders and all in them, all or none', body: DeleteFoldersBody } },
    async ({ caller, body }) => ({ folders: (await folders.remove(caller, body.project, body.folders)).map(show) }),
  );
}
