import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AcceptInviteBody,
  CompleteInviteAnswer,
  CompleteInviteBody,
  InviteAgainAnswer,
  InviteAgainBody,
  InviteAnswer,
  InviteBody,
  Message,
  VerifyInviteAnswer,
  VerifyInviteBody,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import { bearerOf } from '../people/bearer.ts';
import type { Devices } from '../people/devices.ts';
import { showPerson } from '../people/show.ts';
import { requireOwnOrigin, setRefreshCookie } from '../sessions/cookie.ts';
import type { Invitations } from './service.ts';

interface Options {
  readonly invitations: Invitations;
  readonly devices: Devices;
}

/** Invitations into an organization, and what those who hold one can do with it. */
export async function invitationsRoutes(scope: FastifyInstance, { invitations, devices }: Options): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['invitations'];
  const stranger = { config: { public: true } };

  app.post(
    '/api/v1/invite-org/signup',
    {
      schema: {
        tags,
        summary: 'Invite people; the answer has their links',
        body: InviteBody,
        response: { 200: InviteAnswer },
      },
    },
    async ({ caller, body }, reply) => {
      reply.header('cache-control', 'no-store');
      const completeInviteLinks = await invitations.invite(caller, body);
      return { message: `Made ${completeInviteLinks.length} invitations; hand the links on`, completeInviteLinks };
    },
  );
  app.post(
    '/api/v1/invite-org/signup-resend',
    {
      schema: {
        tags,
        summary: 'Make a new link for an invitation',
        body: InviteAgainBody,
        response: { 200: InviteAgainAnswer },
      },
    },
    async ({ caller, body }, reply) => {
      reply.header('cache-control', 'no-store');
      return { signupToken: await invitations.inviteAgain(caller, body.membershipId) };
    },
  );
  app.post(
    '/api/v1/invite-org/verify',
    {
      ...stranger,
      schema: { tags, summary: 'Check an invitation', body: VerifyInviteBody, response: { 200: VerifyInviteAnswer } },
    },
    async ({ body }, reply) => {
      const person = await invitations.check(body);
      reply.header('cache-control', 'no-store');
      return { message: 'Successfully verified the invitation', token: body.code, user: showPerson(person) };
    },
  );
  app.post(
    '/api/v1/invite-org/accept',
    {
      schema: {
        tags,
        summary: 'Accept an invitation as who is logged in',
        body: AcceptInviteBody,
        response: { 200: Message },
      },
    },
    async ({ caller, body }) => {
      await invitations.accept(caller, body);
      return { message: 'Successfully joined the organization' };
    },
  );
  app.post(
    '/api/v3/signup/complete-account/invite',
    {
      ...stranger,
      schema: {
        tags,
        summary: 'Set up the account that an invitation is for',
        body: CompleteInviteBody,
        response: { 200: CompleteInviteAnswer },
      },
    },
    async (request, reply) => {
      requireOwnOrigin(request);
      const { body } = request;
      const code = body.code ?? bearerOf(request) ?? '';
      const { person, accessToken, refresh } = await invitations.complete({ ...body, code }, originOf(request));
      setRefreshCookie(reply, refresh);
      devices.remember(request, reply, person.email);
      reply.header('cache-control', 'no-store');
      return { message: 'Successfully set up account', user: showPerson(person), token: accessToken };
    },
  );
}
