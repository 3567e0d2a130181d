import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import {
  MfaAnswer,
  Nothing,
  PersonAnswer,
  RecoveryCodeBody,
  RecoveryCodes,
  ToggleMfaBody,
  TotpBody,
  TotpRegistration,
  TotpStatus,
  VerifyMfaBody,
} from '../../contracts/index.ts';
import type { Devices } from '../people/devices.ts';
import type { People } from '../people/service.ts';
import { showPerson } from '../people/show.ts';
import { badRequest } from '../refusal.ts';
import type { GivenCode, Mfa } from './service.ts';

interface Options {
  readonly mfa: Mfa;
  readonly people: People;
  readonly devices: Devices;
}

const VerifiedAnswer = z.object({ isVerified: z.boolean() });
/** What clients still name of the keys that end-to-end encryption once had. */
const NO_KEYS = {
  encryptionVersion: 2,
  protectedKey: null,
  protectedKeyIV: null,
  protectedKeyTag: null,
  publicKey: null,
  encryptedPrivateKey: null,
  iv: null,
  tag: null,
};

/** The second factor: set up by its person, asked for at logins. */
export async function mfaRoutes(scope: FastifyInstance, { mfa, people, devices }: Options): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['second factor'];
  const totp = '/api/v1/user/me/totp';

  app.get(
    totp,
    { schema: { tags, summary: 'Whether a second factor is set up', response: { 200: TotpStatus } } },
    async ({ caller }) => ({ recoveryCodes: [], ...(await mfa.status(caller)) }),
  );
  app.post(
    `${totp}/register`,
    {
      schema: { tags, summary: 'Make a seed and recovery codes, shown this once', response: { 200: TotpRegistration } },
    },
    async ({ caller }, reply) => {
      reply.header('cache-control', 'no-store');
      return mfa.register(caller);
    },
  );
  app.post(
    `${totp}/verify`,
    { schema: { tags, summary: 'Confirm a seed by its first code', body: TotpBody, response: { 200: Nothing } } },
    async (request) => {
      const { person } = await people.me(request.caller);
      await mfa.confirm(request.caller, request.body.totp, devices.numberOf(request, person.email));
      return {};
    },
  );
  app.delete(
    totp,
    { schema: { tags, summary: 'Take the second factor away', response: { 200: Nothing } } },
    async ({ caller }) => {
      await mfa.remove(caller);
      return {};
    },
  );
  app.post(
    `${totp}/recovery-codes`,
    { schema: { tags, summary: 'Replace the recovery codes', response: { 200: RecoveryCodes } } },
    async ({ caller }, reply) => {
      reply.header('cache-control', 'no-store');
      return { recoveryCodes: await mfa.renewCodes(caller) };
    },
  );
  app.patch(
    '/api/v2/users/me/mfa',
    {
      schema: { tags, summary: 'Switch the second factor', body: ToggleMfaBody, response: { 200: PersonAnswer } },
    },
    async ({ caller, body }) => {
      const { person } = await people.me(caller);
      if (body.isMfaEnabled === false && person.hasMfa) return { user: showPerson(await mfa.remove(caller)) };
      if (body.isMfaEnabled === true && !person.hasMfa) {
        throw badRequest(
          'set a second factor up with POST /api/v1/user/me/totp/register and /verify; that switches it on',
        );
      }
      return { user: showPerson(person) };
    },
  );

  app.get(
    '/api/v2/auth/mfa/check/totp',
    { schema: { tags, summary: 'Whether the waiting login has an authenticator', response: { 200: VerifiedAnswer } } },
    ({ caller }) => mfa.challenged(caller),
  );
  const verify = async (request: FastifyRequest, reply: FastifyReply, given: GivenCode) => {
    const { email } = await mfa.challengedPerson(request.caller);
    const token = await mfa.verify(request.caller, given, devices.numberOf(request, email));
    devices.remember(request, reply, email);
    reply.header('cache-control', 'no-store');
    return { ...NO_KEYS, token };
  };
  app.post(
    '/api/v2/auth/mfa/verify',
    { schema: { tags, summary: 'Answer the second factor', body: VerifyMfaBody, response: { 200: MfaAnswer } } },
    (request, reply) => verify(request, reply, codeOf(request.body.mfaToken)),
  );
  app.post(
    '/api/v2/auth/mfa/verify/recovery-code',
    {
      schema: { tags, summary: 'Answer with a recovery code', body: RecoveryCodeBody, response: { 200: MfaAnswer } },
    },
    (request, reply) => verify(request, reply, { kind: 'recovery', code: request.body.recoveryCode }),
  );
}

/** Command lines have one prompt for both: six digits are the authenticator's, anything else is a recovery code. */
function codeOf(text: string): GivenCode {
  const code = text.replace(/\s/g, '');
  return { kind: /^\d{6}$/.test(code) ? 'totp' : 'recovery', code };
}
