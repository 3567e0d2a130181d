import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  CreateImportBody,
  DeleteImportBody,
  ImportAnswer,
  ImportIdParams,
  ImportsAnswer,
  ListImportsQuery,
  PlacedImportAnswer,
  type SecretImport,
  UpdateImportBody,
} from '../../contracts/index.ts';
import { badRequest } from '../refusal.ts';
import type { Imports } from './service.ts';
import type { ImportRow } from './store.ts';

/** Imports of folders: today's `/api/v2/secret-imports` and the older `/api/v1/secret-imports`. */
export async function importsRoutes(scope: FastifyInstance, { imports }: { imports: Imports }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['secret imports'];
  const response = { 200: ImportAnswer };

  for (const base of ['/api/v1/secret-imports', '/api/v2/secret-imports']) {
    app.post(
      base,
      { schema: { tags, summary: 'Import a folder into another', body: CreateImportBody, response } },
      async ({ caller, body }) => {
        if (body.isReplication) throw badRequest('imports are not replicated here; leave isReplication out');
        const secretImport = show(await imports.create(caller, body, body.import));
        return { message: 'Successfully created secret import', secretImport };
      },
    );
    app.get(
      base,
      {
        schema: {
          tags,
          summary: 'List the imports of a folder',
          querystring: ListImportsQuery,
          response: { 200: ImportsAnswer },
        },
      },
      async ({ caller, query }) => {
        const secretImports = (await imports.list(caller, query)).map(show);
        return { message: 'Successfully fetched secret imports', secretImports };
      },
    );
    app.get(
      `${base}/:secretImportId`,
      { schema: { tags, summary: 'Read an import', params: ImportIdParams, response: { 200: PlacedImportAnswer } } },
      async ({ caller, params }) => {
        const row = await imports.get(caller, params.secretImportId);
        const environment = { id: row.environmentId, slug: row.environment, name: row.environmentName };
        return { secretImport: { ...show(row), projectId: row.projectId, environment, secretPath: row.path } };
      },
    );
    app.patch(
      `${base}/:secretImportId`,
      {
        schema: {
          tags,
          summary: 'Change what is imported, or the order',
          params: ImportIdParams,
          body: UpdateImportBody,
          response,
        },
      },
      async ({ caller, params, body }) => {
        const secretImport = show(await imports.update(caller, body, params.secretImportId, body.import));
        return { message: 'Successfully updated secret import', secretImport };
      },
    );
    app.delete(
      `${base}/:secretImportId`,
      { schema: { tags, summary: 'Delete an import', params: ImportIdParams, body: DeleteImportBody, response } },
      async ({ caller, params, body }) => {
        const secretImport = show(await imports.remove(caller, body, params.secretImportId));
        return { message: 'Successfully deleted secret import', secretImport };
      },
    );
  }
}

function show(row: ImportRow): SecretImport {
  return {
    id: row.id,
    version: row.version,
    importPath: row.sourcePath,
    importEnv: { id: row.sourceEnvironmentId, slug: row.sourceEnvironment, name: row.sourceEnvironmentName },
    importProjectId: row.sourceProjectId,
    isActive: row.active,
    position: row.position,
    folderId: row.folderId,
    isReplication: false,
    isReplicationSuccess: null,
    replicationStatus: null,
    lastReplicated: null,
    isReserved: false,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
