import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import {
  CreateTagBody,
  ProjectIdParams,
  type Tag,
  TagAnswer,
  TagParams,
  TagSlugParams,
  TagsAnswer,
  UpdateTagBody,
  WorkspaceTagAnswer,
  WorkspaceTagsAnswer,
} from '../../contracts/index.ts';
import type { Tags } from './service.ts';
import type { TagRow } from './store.ts';

/** What differs between the addresses: the name that the answer is wrapped in. */
interface Wrapped {
  readonly base: string;
  readonly note: string;
  readonly one: z.ZodType;
  readonly many: z.ZodType;
  readonly wrapOne: (tag: Tag) => unknown;
  readonly wrapMany: (tags: Tag[]) => unknown;
}

const addresses: readonly Wrapped[] = [
  {
    base: '/api/v1/projects/:projectId/tags',
    note: '',
    one: TagAnswer,
    many: TagsAnswer,
    wrapOne: (tag) => ({ tag }),
    wrapMany: (tags) => ({ tags }),
  },
  {
    base: '/api/v1/workspace/:projectId/tags',
    note: ' (older address)',
    one: WorkspaceTagAnswer,
    many: WorkspaceTagsAnswer,
    wrapOne: (workspaceTag) => ({ workspaceTag }),
    wrapMany: (workspaceTags) => ({ workspaceTags }),
  },
];

/** Tags, at today's address and at the older one. */
export async function tagsRoutes(scope: FastifyInstance, { tags }: { tags: Tags }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  for (const { base, note, one, many, wrapOne, wrapMany } of addresses) {
    const documented = (summary: string) => ({ tags: ['tags'], summary: `${summary}${note}`, response: { 200: one } });
    app.get(
      base,
      { schema: { ...documented('List the tags of a project'), params: ProjectIdParams, response: { 200: many } } },
      async ({ caller, params }) => wrapMany((await tags.list(caller, params.projectId)).map(show)),
    );
    app.post(
      base,
      { schema: { ...documented('Create a tag'), params: ProjectIdParams, body: CreateTagBody } },
      async ({ caller, params, body }) => wrapOne(show(await tags.create(caller, params.projectId, body))),
    );
    app.get(
      `${base}/:tagId`,
      { schema: { ...documented('Read a tag'), params: TagParams } },
      async ({ caller, params }) => wrapOne(show(await tags.get(caller, params.projectId, params.tagId))),
    );
    app.get(
      `${base}/slug/:tagSlug`,
      { schema: { ...documented('Read a tag by its slug'), params: TagSlugParams } },
      async ({ caller, params }) => wrapOne(show(await tags.getBySlug(caller, params.projectId, params.tagSlug))),
    );
    app.patch(
      `${base}/:tagId`,
      { schema: { ...documented('Change a tag'), params: TagParams, body: UpdateTagBody } },
      async ({ caller, params, body }) =>
        wrapOne(show(await tags.update(caller, params.projectId, params.tagId, body))),
    );
    app.delete(
      `${base}/:tagId`,
      { schema: { ...documented('Delete a tag'), params: TagParams } },
      async ({ caller, params }) => wrapOne(show(await tags.remove(caller, params.projectId, params.tagId))),
    );
  }
}

function show(row: TagRow): Tag {
  const { id, slug, name, color, projectId, createdBy, createdByKind: createdByActorType } = row;
  return {
    id,
    slug,
    name,
    color,
    projectId,
    createdBy,
    createdByActorType,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}
