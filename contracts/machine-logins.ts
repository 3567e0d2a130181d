import { z } from 'zod';
import { TrustedIp, tokenSettings, tokenSettingsChange, ttlFits, ttlRefused } from './access-tokens.ts';
import { emptyBody, Timestamp } from './http.ts';
import { IdentityParams } from './identities.ts';
import { FreeText, orAbsent, QueryNumber, Uuid } from './names.ts';

/** The machine logins besides Universal Auth (Infisical's routes, present-day bodies). Each is off until it is switched on. */

/** What an instance admin can switch on. Universal Auth is always on (HIP-27 names it as the sole method). */
export const machineAuthMethods = ['token-auth', 'oidc-auth', 'kubernetes-auth', 'service-token'] as const;
export type MachineAuthMethod = (typeof machineAuthMethods)[number];

const Method = z.enum(['universal-auth', ...machineAuthMethods]);

/** `GET /api/v1/admin/config`: Infisical's fields, and which machine logins are on. */
export const InstanceConfig = z.object({
  id: Uuid,
  instanceId: Uuid,
  initialized: z.boolean(),
  allowSignUp: z.boolean(),
  allowedSignUpDomain: z.string().nullable(),
  trustSamlEmails: z.boolean(),
  trustLdapEmails: z.boolean(),
  trustOidcEmails: z.boolean(),
  defaultAuthOrgId: z.string().nullable(),
  defaultAuthOrgSlug: z.string().nullable(),
  enabledLoginMethods: z.array(z.string()).nullable(),
  isMigrationModeOn: z.boolean(),
  isSecretScanningDisabled: z.boolean(),
  machineAuthMethods: z.array(Method),
});
export const InstanceConfigAnswer = z.object({ config: InstanceConfig });
export const UpdateInstanceConfigBody = z.object({
  machineAuthMethods: z
    .array(Method)
    .max(20)
    .optional()
    .describe('the machine logins that are on; Universal Auth is whether it is named or not'),
});

/** What every login shows of itself. */
const shown = {
  id: Uuid,
  identityId: Uuid,
  accessTokenTTL: z.number().int(),
  accessTokenMaxTTL: z.number().int(),
  accessTokenNumUsesLimit: z.number().int(),
  accessTokenPeriod: z.number().int(),
  accessTokenTrustedIps: z.array(TrustedIp),
  createdAt: Timestamp,
  updatedAt: Timestamp,
};

// Token Auth -------------------------------------------------------------------------------------------------------

export const AttachTokenAuthBody = emptyBody(z.object(tokenSettings).refine(ttlFits, ttlRefused()));
export const UpdateTokenAuthBody = z.object(tokenSettingsChange);
export const TokenAuthAnswer = z.object({ identityTokenAuth: z.object(shown) });

const TokenName = FreeText(255);
export const CreateTokenBody = emptyBody(z.object({ name: orAbsent(TokenName) }));
export const UpdateTokenBody = z.object({ name: TokenName.optional() });
export const TokenParams = z.object({ tokenId: Uuid });
export const IdentityTokenParams = IdentityParams.extend({ tokenId: Uuid });
export const TokensQuery = z.object({
  offset: QueryNumber(0, 1_000_000, 0),
  limit: QueryNumber(1, 100, 20),
});

const TokenData = z.object({
  id: Uuid,
  identityId: Uuid,
  name: z.string().nullable(),
  authMethod: z.literal('token-auth'),
  accessTokenTTL: z.number().int(),
  accessTokenMaxTTL: z.number().int(),
  accessTokenNumUses: z.number().int(),
  accessTokenNumUsesLimit: z.number().int(),
  accessTokenLastUsedAt: Timestamp.nullable().describe('a minute late at most, when another replica saw it'),
  accessTokenLastRenewedAt: Timestamp.nullable(),
  accessTokenPeriod: z.number().int(),
  isAccessTokenRevoked: z.boolean(),
  identityUAClientSecretId: z.null(),
  createdAt: Timestamp,
  updatedAt: Timestamp,
});
export const TokenDataAnswer = z.object({ token: TokenData });
export const TokensAnswer = z.object({ tokens: z.array(TokenData) });
export const NewTokenAnswer = z.object({
  accessToken: z.string().describe('shown this once'),
  expiresIn: z.number().int().describe('seconds; 0: never'),
  accessTokenMaxTTL: z.number().int(),
  tokenType: z.literal('Bearer'),
  tokenData: TokenData,
});

// OIDC and Kubernetes ----------------------------------------------------------------------------------------------

const Url = FreeText(2048).trim().min(1).refine(URL.canParse, 'not a URL');
const Pem = FreeText(65_536).trim();
const List = FreeText(4096)
  .trim()
  .refine((text) => text.split(',').length <= 100, 'at most 100 entries, with commas between them');
const Claims = z
  .record(FreeText(255).trim().min(1), List)
  .refine((claims) => Object.keys(claims).length <= 100, 'at most 100 claims');

/** A token of another issuer, for one of ours. */
export const JwtLoginBody = z.object({
  identityId: FreeText(128).trim().min(1),
  jwt: FreeText(16_384).trim().min(1),
  subOrganizationName: FreeText(128).optional().describe('taken and not used: there are no sub-organizations'),
});

export const AttachOidcAuthBody = z
  .object({
    oidcDiscoveryUrl: Url.describe('the issuer, below which lies /.well-known/openid-configuration'),
    caCert: Pem.default('').describe("the CA of the issuer's certificate, in PEM; the public ones when empty"),
    boundIssuer: FreeText(2048).trim().min(1),
    boundAudiences: List.default('').describe('one of these; with commas between them, globs allowed'),
    boundClaims: Claims.default({}).describe('each claim is one of the listed values; globs allowed'),
    claimMetadataMapping: Claims.default({}).describe('empty: claims are not carried into access rules'),
    boundSubject: FreeText(1024).trim().default('').describe('a glob'),
    ...tokenSettings,
  })
  .refine(ttlFits, ttlRefused());
export type AttachOidcAuthBody = z.infer<typeof AttachOidcAuthBody>;
export const UpdateOidcAuthBody = z.object({
  oidcDiscoveryUrl: Url.optional(),
  caCert: Pem.optional(),
  boundIssuer: FreeText(2048).trim().min(1).optional(),
  boundAudiences: List.optional(),
  boundClaims: Claims.optional(),
  claimMetadataMapping: Claims.optional(),
  boundSubject: FreeText(1024).trim().optional(),
  ...tokenSettingsChange,
});
export const OidcAuthAnswer = z.object({
  identityOidcAuth: z.object({
    ...shown,
    oidcDiscoveryUrl: z.string(),
    caCert: z.string(),
    boundIssuer: z.string(),
    boundAudiences: z.string(),
    boundClaims: z.record(z.string(), z.string()),
    claimMetadataMapping: z.record(z.string(), z.string()),
    boundSubject: z.string(),
  }),
});

const reviewMode = z.literal('api', { error: 'only "api": there are no gateways' });
export const AttachKubernetesAuthBody = z
  .object({
    kubernetesHost: Url.describe("the cluster's API server"),
    caCert: Pem.default('').describe("the cluster's CA, in PEM; the public ones when empty"),
    tokenReviewerJwt: orAbsent(FreeText(16_384).trim()).describe(
      'a service account token that may review others; without it each token is reviewed by itself. Never shown again',
    ),
    tokenReviewMode: reviewMode.default('api'),
    allowedNamespaces: List.default('').describe('with commas between them'),
    allowedNames: List.default('').describe('names of service accounts, with commas between them'),
    allowedAudience: FreeText(1024).trim().default(''),
    ...tokenSettings,
  })
  .refine(ttlFits, ttlRefused());
export type AttachKubernetesAuthBody = z.infer<typeof AttachKubernetesAuthBody>;
export const UpdateKubernetesAuthBody = z.object({
  kubernetesHost: Url.optional(),
  caCert: Pem.optional(),
  tokenReviewerJwt: FreeText(16_384).trim().nullable().optional().describe('empty or null takes it away'),
  tokenReviewMode: reviewMode.optional(),
  allowedNamespaces: List.optional(),
  allowedNames: List.optional(),
  allowedAudience: FreeText(1024).trim().optional(),
  ...tokenSettingsChange,
});
export const KubernetesAuthAnswer = z.object({
  identityKubernetesAuth: z.object({
    ...shown,
    kubernetesHost: z.string(),
    caCert: z.string(),
    tokenReviewerJwt: z.null().describe('never shown'),
    hasTokenReviewerJwt: z.boolean(),
    tokenReviewMode: z.literal('api'),
    gatewayId: z.null(),
    allowedNamespaces: z.string(),
    allowedNames: z.string(),
    allowedAudience: z.string(),
  }),
});
