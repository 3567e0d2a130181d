import { z } from 'zod';

/** Access tokens: what they are, and what every way to log in says of those that it gives. */

/** HIP-27: a token lives 7200 seconds unless its identity sets another time. */
const DEFAULT_TOKEN_TTL_SECONDS = 7200;
const MAX_TTL_SECONDS = 315_360_000;

const CIDR = z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], { error: 'not an IP address or CIDR range' });

/** Addresses that may use something. Absent: all of them. */
export const TrustedIps = z
  .array(z.object({ ipAddress: CIDR }))
  .min(1)
  .max(100);
/** What absent networks stand for, in a form that is shown. */
export const EVERYWHERE = [{ ipAddress: '0.0.0.0/0' }, { ipAddress: '::/0' }];

/** Ten years at most. */
export const TokenSeconds = z.number().int().min(0).max(MAX_TTL_SECONDS);
export const UsesLimit = z.number().int().min(0).max(2_147_483_647);

/** What every login says of the tokens that it gives. */
export const tokenSettings = {
  accessTokenTrustedIps: TrustedIps.default(EVERYWHERE),
  accessTokenTTL: TokenSeconds.default(DEFAULT_TOKEN_TTL_SECONDS).describe('seconds; 0: till the max TTL'),
  accessTokenMaxTTL: TokenSeconds.default(DEFAULT_TOKEN_TTL_SECONDS).describe('seconds; renewals end here; 0: never'),
  accessTokenNumUsesLimit: UsesLimit.default(0).describe('0: no limit'),
  accessTokenPeriod: TokenSeconds.default(0).describe(
    'seconds; not 0: tokens live this long, and can be renewed again and again, whatever the TTLs say',
  ),
};
/** As `tokenSettings`, for a change: what is absent stays. */
export const tokenSettingsChange = {
  accessTokenTrustedIps: TrustedIps.optional(),
  accessTokenTTL: TokenSeconds.optional(),
  accessTokenMaxTTL: TokenSeconds.optional(),
  accessTokenNumUsesLimit: UsesLimit.optional(),
  accessTokenPeriod: TokenSeconds.optional(),
};

interface TokenTimes {
  readonly accessTokenTTL: number;
  readonly accessTokenMaxTTL: number;
}
/** Whether a TTL lies within its max TTL, of which 0 is none. */
export const ttlFits = ({ accessTokenTTL, accessTokenMaxTTL }: TokenTimes) =>
  accessTokenMaxTTL === 0 || accessTokenTTL <= accessTokenMaxTTL;
/** What is said of times that do not fit, where a schema alone cannot tell. */
export const TTL_TOO_LONG = 'accessTokenTTL is longer than accessTokenMaxTTL';
/** The same as an issue of a schema. */
export const ttlRefused = () => ({ message: TTL_TOO_LONG, path: ['accessTokenTTL'] });

/** A network as it is shown. */
export const TrustedIp = z.object({ type: z.enum(['ipv4', 'ipv6']), ipAddress: z.string(), prefix: z.number().int() });

/** A token to be renewed or ended: whoever holds it may. */
export const TokenBody = z.object({ accessToken: z.string().min(1).max(4096) });

/** A token, as a login gives it. */
export const AccessToken = z.object({
  accessToken: z.string(),
  expiresIn: z.number().int().describe('seconds; 0: never'),
  accessTokenMaxTTL: z.number().int().describe('seconds; 0: no end of renewals'),
  tokenType: z.literal('Bearer'),
});
export type AccessToken = z.infer<typeof AccessToken>;
