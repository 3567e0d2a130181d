import { z } from 'zod';
import { Timestamp } from './http.ts';
import { EnvironmentSlug, FolderPath, orAbsent, SecretKey, Slug, Uuid } from './names.ts';
import { actions, type ProjectSubject, projectSubjects, ShownRule } from './permissions.ts';

/** "May X do Y on Z, and why": the one question that explains a project's access. */

const Subject = z.enum(Object.keys(projectSubjects) as [ProjectSubject, ...ProjectSubject[]]);

export const ExplainQuery = z
  .object({
    actorId: orAbsent(Uuid).describe('a person or an identity of the organization; absent: the caller itself'),
    action: z.enum(actions),
    subject: orAbsent(Subject).transform((subject) => subject ?? 'secrets'),
    environment: orAbsent(EnvironmentSlug),
    path: orAbsent(FolderPath),
    key: orAbsent(SecretKey),
    tags: orAbsent(z.string().max(1024)).describe("slugs of the secret's tags, with commas"),
  })
  .transform(({ tags, ...given }, context) => {
    const slugs = tags?.split(',').map((slug) => Slug.safeParse(slug.trim()));
    if (slugs?.some(({ success }) => !success)) {
      context.addIssue({ code: 'custom', path: ['tags'], message: 'slugs of tags, with commas' });
      return z.NEVER;
    }
    return { ...given, tags: slugs?.map(({ data }) => data!) };
  });

/** Where a role comes from. */
const Via = z.object({
  type: z.enum(['organization', 'membership', 'group']),
  membershipId: Uuid.nullable(),
  groupId: Uuid.nullable(),
  groupName: z.string().nullable(),
});

const HeldRole = z.object({
  role: z.string().describe('its slug'),
  environments: z.array(z.string()).nullable().describe('what the membership limits it to; null: nothing'),
  active: z.boolean().describe('false: a role on time that has not begun, or is over'),
  startsAt: Timestamp.nullable(),
  endsAt: Timestamp.nullable(),
  via: Via,
});

export const ExplainAnswer = z.object({
  allowed: z.boolean(),
  reason: z.string(),
  asked: z.object({
    actor: z.object({ id: Uuid, kind: z.enum(['user', 'identity']), name: z.string() }),
    action: z.string(),
    subject: z.string(),
    environment: z.string().nullable(),
    path: z.string().nullable(),
    key: z.string().nullable(),
    tags: z.array(z.string()).nullable(),
    meaning: z
      .enum(['here', 'somewhere', 'everywhere'])
      .describe('of a secret: here. Of less: whether it is allowed somewhere within, or everywhere'),
  }),
  decidedBy: z.array(HeldRole.extend({ effect: z.enum(['allows', 'forbids']), rule: ShownRule })),
  roles: z.array(HeldRole),
});
export type ExplainAnswer = z.infer<typeof ExplainAnswer>;

const OwnMembership = z.object({
  id: Uuid,
  actorUserId: Uuid.nullable(),
  actorIdentityId: Uuid.nullable(),
  actorGroupId: Uuid.nullable().describe('of the group that the caller is in the project by'),
  roles: z.array(z.object({ role: z.string() })),
});
/** What the caller itself holds in a project: Infisical's `/api/v1/projects/:projectId/permissions`. */
export const ProjectPermissionsAnswer = z.object({
  data: z.object({
    permissions: z
      .array(ShownRule)
      .describe('of all roles that count at this moment, limits of memberships put into the conditions'),
    memberships: z.array(OwnMembership),
    membership: OwnMembership.optional().describe('the first of them, as older clients read it'),
  }),
});
export type ProjectPermissions = z.infer<typeof ProjectPermissionsAnswer>['data'];
