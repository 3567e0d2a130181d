import { z } from 'zod';
import { Email, Opaque, orAbsent, Slug, Uuid } from './names.ts';
import { Password, Person, PersonName } from './people.ts';
import { OrganizationRoleName, ProjectRole } from './roles.ts';

/** Invitations and resets by links that work once: Infisical's `/api/v1/invite-org` and `/api/v3/signup`. */

/** The token out of a link. */
const Code = Opaque(256).trim();

export const InviteBody = z.object({
  inviteeEmails: z.array(Email).min(1).max(100),
  organizationId: Uuid,
  organizationRoleSlug: orAbsent(OrganizationRoleName).transform((role) => role ?? 'member'),
  projects: z
    .array(
      z.object({
        id: orAbsent(Uuid),
        slug: orAbsent(Slug),
        projectRoleSlug: z
          .array(ProjectRole)
          .max(1, 'one role here; give further ones in the project')
          .default(['developer']),
      }),
    )
    .max(100)
    .optional(),
});
export type InviteBody = z.infer<typeof InviteBody>;

export const InviteLink = z.object({ email: z.string(), link: z.string() });
export const InviteAnswer = z.object({ message: z.string(), completeInviteLinks: z.array(InviteLink) });

export const InviteAgainBody = z.object({ membershipId: Uuid });
export const InviteAgainAnswer = z.object({ signupToken: InviteLink });

export const VerifyInviteBody = z.object({ email: Email, organizationId: Uuid, code: Code });
export const VerifyInviteAnswer = z.object({ message: z.string(), token: z.string(), user: Person });

export const AcceptInviteBody = z.object({ organizationId: Uuid, code: Code });

export const CompleteInviteBody = z.object({
  email: Email,
  password: Password,
  firstName: PersonName,
  lastName: orAbsent(PersonName),
  code: orAbsent(Code).describe('the token out of the link, when it is not sent as bearer'),
});
export const CompleteInviteAnswer = z.object({ message: z.string(), user: Person, token: z.string() });

export const UserParams = z.object({ userId: Uuid });
export const MakeResetBody = z.object({
  alsoSecondFactor: z.boolean().default(false).describe('the link takes the second factor away as well'),
});
export const MakeResetAnswer = z.object({ link: z.string(), expiresAt: z.iso.datetime() });
export const ResetPasswordBody = z.object({ newPassword: Password, code: orAbsent(Code) });
