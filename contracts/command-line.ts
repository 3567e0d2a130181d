import { z } from 'zod';
import { Uuid } from './names.ts';

/** How a browser hands a login to a command line on the same machine: our own routes; Infisical's browser sends the token itself. */

/** 32 random bytes, or the SHA-256 of them, as base64url. */
const Bytes32 = z.string().regex(/^[A-Za-z0-9_-]{43}$/, '32 bytes as base64url are expected');

export const CommandLineCodeBody = z.object({
  challenge: Bytes32.describe('SHA-256 of the verifier that the command line keeps (RFC 7636, S256)'),
});
export const CommandLineCodeAnswer = z.object({ code: z.string().describe('works once, for a minute') });

export const CommandLineTokenBody = z.object({ code: Bytes32, verifier: Bytes32 });
export const CommandLineTokenAnswer = z.object({
  token: z.string(),
  refreshToken: z.string().describe('goes on with the session as the cookie `jid` does, and is replaced each time'),
  email: z.string(),
  organizationId: Uuid,
  organizationSlug: z.string(),
});
