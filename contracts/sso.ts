import { z } from 'zod';
import { orAbsent, Slug, Uuid } from './names.ts';
import { OrganizationRole } from './roles.ts';

/** Single sign-on of an organization by OpenID Connect: Infisical's `/api/v1/sso/oidc`. */

const Url = z
  .string()
  .trim()
  .max(2048)
  .refine((text) => URL.canParse(text) && /^https?:\/\/\P{Cc}+$/u.test(text) && text.isWellFormed(), 'not a URL');

const DOMAIN = /^(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;

/** E-mail domains, separated by commas; `*.example.com` is every domain below it. Comes out as `a.com, *.b.com`. */
const EmailDomains = z
  .string()
  .max(4096)
  .transform((text) =>
    text
      .split(',')
      .map((domain) => domain.trim().toLowerCase())
      .filter((domain) => domain !== ''),
  )
  .refine((domains) => domains.every((domain) => DOMAIN.test(domain)), 'domains such as example.com or *.example.com')
  .transform((domains) => domains.join(', '));

/** One line without what could end it. */
const Line = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'a line of text');

export const OidcAlgorithm = z.enum(['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA']);
export const OidcConfigurationType = z.enum(['custom', 'discoveryURL']);

/** Which role members of a provider's group get; of several the first one in this list. */
export const GroupRoles = z.array(z.object({ group: Line(255), role: OrganizationRole })).max(200);

const settings = {
  issuer: orAbsent(Url),
  discoveryURL: orAbsent(Url),
  authorizationEndpoint: orAbsent(Url),
  tokenEndpoint: orAbsent(Url),
  jwksUri: orAbsent(Url),
  userinfoEndpoint: orAbsent(Url),
  allowedEmailDomains: EmailDomains.optional(),
  manageGroupMemberships: z.boolean().optional(),
  jwtSignatureAlgorithm: orAbsent(OidcAlgorithm),
  defaultRole: orAbsent(OrganizationRole).describe('of who comes in for the first time; no-access turns nobody away'),
  groupsClaim: orAbsent(Line(255)).describe('the claim that lists the groups; "groups" when absent'),
  groupRoles: GroupRoles.optional(),
};

/** One of the two names the organization. */
export const OidcConfigQuery = z.object({ organizationId: orAbsent(Uuid), orgSlug: orAbsent(Slug) });

export const CreateOidcConfigBody = z.object({
  organizationId: Uuid,
  configurationType: OidcConfigurationType.default('custom'),
  clientId: Line(512),
  clientSecret: Line(2048),
  isActive: z.boolean(),
  ...settings,
});
export type CreateOidcConfigBody = z.infer<typeof CreateOidcConfigBody>;

export const UpdateOidcConfigBody = z.object({
  organizationId: Uuid,
  configurationType: orAbsent(OidcConfigurationType),
  clientId: orAbsent(Line(512)),
  clientSecret: orAbsent(Line(2048)).describe('kept as it is when absent'),
  isActive: z.boolean().optional(),
  ...settings,
});
export type UpdateOidcConfigBody = z.infer<typeof UpdateOidcConfigBody>;

export const OidcConfig = z.object({
  id: Uuid,
  orgId: Uuid,
  configurationType: OidcConfigurationType,
  isActive: z.boolean(),
  issuer: z.string().nullable(),
  discoveryURL: z.string().nullable(),
  authorizationEndpoint: z.string().nullable(),
  tokenEndpoint: z.string().nullable(),
  jwksUri: z.string().nullable(),
  userinfoEndpoint: z.string().nullable(),
  clientId: z.string(),
  clientSecret: z.string().describe('always empty: it is never shown again'),
  allowedEmailDomains: z.string(),
  manageGroupMemberships: z.boolean(),
  jwtSignatureAlgorithm: OidcAlgorithm,
  defaultRole: OrganizationRole,
  groupsClaim: z.string(),
  groupRoles: GroupRoles,
});

export const SsoLoginQuery = z.object({ orgSlug: Slug });
/** What a provider sends along: compared or passed on, and of one line. */
const Sent = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => !/\p{Cc}/u.test(text), 'a line of text');

export const SsoCallbackQuery = z.object({
  state: Sent(512).default(''),
  code: orAbsent(Sent(4096)),
  error: orAbsent(Sent(512)),
  iss: orAbsent(Sent(2048)),
});
export const SsoLinkBody = z.object({ organizationId: Uuid });
export const SsoAnswer = z.object({ url: z.string() });
export const SsoRedirect = z.null().describe('the address to go to is in the header Location');
