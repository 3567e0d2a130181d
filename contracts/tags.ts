import { z } from 'zod';
import { Timestamp } from './http.ts';
import { DisplayName, FreeText, orAbsent, Slug, Uuid } from './names.ts';

/** Tags of a project: Infisical's `/api/v1/projects/:projectId/tags`, and the older `/api/v1/workspace/:projectId/tags`. */

export const Tag = z.object({
  id: Uuid,
  slug: z.string(),
  name: z.string(),
  color: z.string(),
  projectId: Uuid,
  createdBy: Uuid.nullable(),
  createdByActorType: z.string().nullable(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export type Tag = z.infer<typeof Tag>;

const color = FreeText(64).describe('as the client writes it, for example #2f80ed');

export const CreateTagBody = z.object({
  slug: Slug,
  name: orAbsent(DisplayName).describe('the slug, when absent'),
  color: color.nullish(),
});
export const UpdateTagBody = z.object({ slug: orAbsent(Slug), name: orAbsent(DisplayName), color: color.nullish() });

export const TagParams = z.object({ projectId: Uuid, tagId: Uuid });
export const TagSlugParams = z.object({ projectId: Uuid, tagSlug: Slug });

export const TagAnswer = z.object({ tag: Tag });
export const TagsAnswer = z.object({ tags: z.array(Tag) });
export const WorkspaceTagAnswer = z.object({ workspaceTag: Tag });
export const WorkspaceTagsAnswer = z.object({ workspaceTags: z.array(Tag) });
