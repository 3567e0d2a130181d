import { z } from 'zod';
import { Timestamp } from './http.ts';
import { Email, isPlainText, Opaque, orAbsent, Uuid } from './names.ts';
import { Organization } from './organizations.ts';

/** People: logins, sessions, the second factor and their own accounts (Infisical's `/api/v3/auth`, `/api/v2/users/me`). */

/** A password as it is given. What makes a good one is checked where one is set. */
export const Password = z
  .string()
  .max(1024)
  .refine((text) => text.isWellFormed(), 'well-formed Unicode text');

/** A given or family name; may be empty. */
export const PersonName = z.string().trim().max(64).refine(isPlainText, 'a name holds no control characters');

export const PasswordLoginBody = z.object({ email: Email, password: Password });
export const PasswordLoginAnswer = z.object({ accessToken: z.string() });

export const SelectOrganizationBody = z.object({ organizationId: Uuid });
export const SelectOrganizationAnswer = z.object({
  token: z.string().describe('for the organization, or for the second factor when isMfaEnabled'),
  isMfaEnabled: z.boolean(),
  mfaMethod: z.literal('totp').optional(),
});

export const SrpAnswer = z.object({ serverPublicKey: z.string(), salt: z.string() });

export const RefreshAnswer = z.object({ token: z.string(), organizationId: Uuid.optional() });

export const VerifyMfaBody = z.object({
  mfaToken: Opaque(64).describe('the code that the authenticator shows, or a recovery code'),
  mfaMethod: orAbsent(Opaque(64)).describe('"totp" is the only one'),
});
export const RecoveryCodeBody = z.object({ recoveryCode: Opaque(64) });
/** The fields beside the token were for end-to-end encryption, which clients still name. */
export const MfaAnswer = z.object({
  token: z.string(),
  encryptionVersion: z.number(),
  protectedKey: z.null(),
  protectedKeyIV: z.null(),
  protectedKeyTag: z.null(),
  publicKey: z.null(),
  encryptedPrivateKey: z.null(),
  iv: z.null(),
  tag: z.null(),
});

export const Person = z.object({
  id: Uuid,
  username: z.string(),
  email: z.string(),
  firstName: z.string(),
  lastName: z.string(),
  isEmailVerified: z.boolean(),
  isAccepted: z.boolean(),
  isMfaEnabled: z.boolean(),
  selectedMfaMethod: z.literal('totp').nullable(),
  mfaMethods: z.array(z.string()),
  authMethods: z.array(z.string()),
  superAdmin: z.boolean(),
  isGhost: z.boolean(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const PersonAnswer = z.object({ user: Person });
export const MyOrganizationsAnswer = z.object({ organizations: z.array(Organization) });

export const UpdateNameBody = z.object({ firstName: PersonName, lastName: PersonName });
export const ChangePasswordBody = z.object({ oldPassword: Password, newPassword: Password });
export const ToggleMfaBody = z.object({
  isMfaEnabled: z.boolean().optional(),
  selectedMfaMethod: orAbsent(Opaque(64)),
});

export const SessionParams = z.object({ sessionId: Uuid });
export const Session = z.object({
  id: Uuid,
  userId: Uuid,
  ip: z.string(),
  userAgent: z.string(),
  method: z.enum(['password', 'oidc']),
  isCurrent: z.boolean(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
  lastUsed: Timestamp,
  expiresAt: Timestamp,
});
export const SessionsAnswer = z.array(Session);

export const TotpStatus = z.object({
  isVerified: z.boolean(),
  recoveryCodes: z.array(z.string()).describe('always empty: they are shown once, and kept as MACs'),
  recoveryCodesLeft: z.number().int(),
});
export const TotpRegistration = z.object({ otpUrl: z.string(), recoveryCodes: z.array(z.string()) });
export const TotpBody = z.object({ totp: Opaque(64) });
export const RecoveryCodes = z.object({ recoveryCodes: z.array(z.string()) });
export const Nothing = z.object({});
