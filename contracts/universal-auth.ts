import { z } from 'zod';
import {
  EVERYWHERE,
  TokenSeconds,
  TrustedIp,
  TrustedIps,
  tokenSettings,
  tokenSettingsChange,
  ttlFits,
  ttlRefused,
  UsesLimit,
} from './access-tokens.ts';
import { emptyBody, Timestamp } from './http.ts';
import { IdentityParams } from './identities.ts';
import { FreeText, Uuid } from './names.ts';

/** Universal Auth: client id and client secret for a token (HIP-27; Infisical's routes, present-day bodies). */

const within = (min: number, max: number) => z.number().int().min(min).max(max);

export const AttachUniversalAuthBody = emptyBody(
  z
    .object({
      clientSecretTrustedIps: TrustedIps.default(EVERYWHERE),
      ...tokenSettings,
      lockoutEnabled: z.boolean().default(true).describe('whether wrong secrets are slowed down; a right one never is'),
      lockoutThreshold: within(1, 30).default(3).describe('wrong secrets of one address before that'),
      lockoutDurationSeconds: within(30, 86_400).default(300),
      lockoutCounterResetSeconds: within(5, 3600).default(30).describe('wrong secrets further apart do not add up'),
    })
    .refine(ttlFits, ttlRefused()),
);
export type AttachUniversalAuthBody = z.infer<typeof AttachUniversalAuthBody>;

export const UpdateUniversalAuthBody = z.object({
  clientSecretTrustedIps: TrustedIps.optional(),
  ...tokenSettingsChange,
  lockoutEnabled: z.boolean().optional(),
  lockoutThreshold: within(1, 30).optional(),
  lockoutDurationSeconds: within(30, 86_400).optional(),
  lockoutCounterResetSeconds: within(5, 3600).optional(),
});
export type UpdateUniversalAuthBody = z.infer<typeof UpdateUniversalAuthBody>;

export const UniversalAuth = z.object({
  id: Uuid,
  identityId: Uuid,
  clientId: Uuid,
  accessTokenTTL: z.number().int(),
  accessTokenMaxTTL: z.number().int(),
  accessTokenNumUsesLimit: z.number().int(),
  accessTokenPeriod: z.number().int(),
  clientSecretTrustedIps: z.array(TrustedIp),
  accessTokenTrustedIps: z.array(TrustedIp),
  lockoutEnabled: z.boolean(),
  lockoutThreshold: z.number().int(),
  lockoutDurationSeconds: z.number().int(),
  lockoutCounterResetSeconds: z.number().int(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const UniversalAuthAnswer = z.object({ identityUniversalAuth: UniversalAuth });
export const ClearedLockouts = z.object({ deleted: z.number().int() });

export const CreateClientSecretBody = emptyBody(
  z.object({
    description: FreeText(1024).default(''),
    numUsesLimit: UsesLimit.default(0).describe('0: no limit'),
    ttl: TokenSeconds.default(0).describe('seconds; 0: never ends'),
    renewable: z
      .boolean()
      .default(false)
      .describe('whether whoever holds it may make its successor, on the same terms; wants a ttl and no limit of uses'),
    renewableFor: TokenSeconds.default(0).describe(
      'seconds after which renewals, and the last secret that came of them, end; 0: never',
    ),
  }),
);
export type CreateClientSecretBody = z.infer<typeof CreateClientSecretBody>;

export const ClientSecret = z.object({
  id: Uuid,
  identityUAId: Uuid,
  description: z.string(),
  clientSecretPrefix: z.string(),
  clientSecretNumUses: z.number().int(),
  clientSecretNumUsesLimit: z.number().int(),
  clientSecretTTL: z.number().int(),
  isClientSecretRevoked: z.boolean(),
  expiresAt: Timestamp.nullable().describe('null: never'),
  familyId: Uuid.nullable().describe('of one that can be renewed: the secrets that descend from one another'),
  renewalsEndAt: Timestamp.nullable().describe('null: never, or it cannot be renewed'),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const ClientSecretParams = IdentityParams.extend({ clientSecretId: Uuid });
export const NewClientSecretAnswer = z.object({ clientSecret: z.string(), clientSecretData: ClientSecret });
/** The successor of a client secret, which goes on working until this one has. */
export const RenewedClientSecretAnswer = NewClientSecretAnswer.extend({
  expiresIn: z.number().int().describe('seconds until it ends'),
});
export const ClientSecretAnswer = z.object({ clientSecretData: ClientSecret });
export const ClientSecretsAnswer = z.object({ clientSecretData: z.array(ClientSecret) });

const credentials = {
  clientId: z.string().trim().min(1).max(128),
  clientSecret: z.string().min(1).max(512),
};
/** The secret itself, and not a token of it: a token that was stolen makes nothing that outlives it. */
export const RenewClientSecretBody = z.object(credentials);

/** HIP-27, "Universal Auth Flow", step 1. */
export const LoginBody = z.object({
  ...credentials,
  subOrganizationName: FreeText(128).optional().describe('taken and not used: there are no sub-organizations'),
});
