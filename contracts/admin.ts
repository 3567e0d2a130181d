import { z } from 'zod';
import { DisplayName, Email, orAbsent, Slug, Uuid } from './names.ts';
import { Organization, User } from './organizations.ts';
import { Password, Person, PersonName } from './people.ts';

/** The instance: its status, its first run, and the way back in (Infisical's `/api/status` and `/api/v1/admin`). */

export const Status = z.object({
  date: z.iso.datetime(),
  message: z.string(),
  emailConfigured: z.boolean(),
  inviteOnlySignup: z.boolean(),
  redisConfigured: z.boolean(),
  secretScanningConfigured: z.boolean(),
  auditLogStorageDisabled: z.boolean(),
  database: z.enum(['ok', 'unavailable']),
  redis: z.enum(['ok', 'unavailable', 'off']).describe('where limits are shared; serving does not depend on it'),
  encryption: z.enum(['ok', 'unavailable']).describe('whether this server holds the root key of the database'),
  audit: z.enum(['ok', 'unavailable']).describe('whether audit records can be stored'),
  draining: z.boolean().describe('whether this server is about to stop'),
  version: z.string(),
});

/** What our own clients need of `GET /api/v1/admin/config`, of any server's version; all of it is InstanceConfigAnswer. */
export const AdminConfigAnswer = z.object({ config: z.object({ instanceId: Uuid, initialized: z.boolean() }) });

/** The header that proves that the caller knows kms-secrets (keys/proof.ts). */
export const PROOF_HEADER = 'x-kms-proof';

export const BootstrapBody = z.object({
  email: Email,
  password: orAbsent(z.string().min(12, 'a password has 12 to 256 characters').max(256)),
  organization: DisplayName,
  organizationSlug: orAbsent(Slug).describe('made from the name when absent'),
  credential: orAbsent(z.string().max(512)).describe(
    'a client secret that the caller made and stored; the same call with the same one can be repeated',
  ),
});
export type BootstrapBody = z.infer<typeof BootstrapBody>;

/** The browser's form of the first call. */
export const AdminSignupBody = z.object({
  email: Email,
  password: Password,
  firstName: PersonName,
  lastName: orAbsent(PersonName),
  organization: orAbsent(DisplayName).describe('"Admin Org" when absent'),
});
export type AdminSignupBody = z.infer<typeof AdminSignupBody>;

export const AdminSignupAnswer = z.object({
  message: z.string(),
  user: Person,
  organization: Organization,
  token: z.string().describe('for the account, as a login gives it'),
  new: z.string(),
});

export const BootstrapAnswer = z.object({
  message: z.string(),
  user: User,
  organization: Organization,
  identity: z.object({
    id: Uuid,
    name: z.string(),
    credentials: z.object({
      clientId: Uuid,
      token: z.string().optional().describe('only for callers that brought no credential of their own'),
    }),
  }),
});

export const RecoverySessionBody = z.object({ email: Email });
