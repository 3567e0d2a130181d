import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  ChangePasswordBody,
  emptyBody,
  MakeResetAnswer,
  MakeResetBody,
  Message,
  MyOrganizationsAnswer,
  PersonAnswer,
  ResetPasswordBody,
  SessionParams,
  SessionsAnswer,
  UpdateNameBody,
  UserParams,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import { showOrganization } from '../organizations/routes.ts';
import type { Organizations } from '../organizations/service.ts';
import { clearRefreshCookie } from '../sessions/cookie.ts';
import { bearerOf } from './bearer.ts';
import type { Devices } from './devices.ts';
import type { Resets } from './resets.ts';
import type { People } from './service.ts';
import { showPerson, showSession } from './show.ts';

interface Options {
  readonly people: People;
  readonly resets: Resets;
  readonly organizations: Organizations;
  readonly devices: Devices;
}

/** A person's own account. */
export async function peopleRoutes(scope: FastifyInstance, options: Options): Promise<void> {
  const { people, resets, organizations, devices } = options;
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['own account'];
  const me = '/api/v2/users/me';

  for (const path of ['/api/v1/user', me]) {
    app.get(
      path,
      { schema: { tags, summary: 'Read the own account', response: { 200: PersonAnswer } } },
      async ({ caller }) => ({ user: showPerson((await people.me(caller)).person) }),
    );
  }
  app.get(
    `${me}/organizations`,
    { schema: { tags, summary: 'List the own organizations', response: { 200: MyOrganizationsAnswer } } },
    async ({ caller }) => ({ organizations: (await organizations.list(caller)).map(showOrganization) }),
  );
  app.patch(
    `${me}/name`,
    { schema: { tags, summary: 'Change the own name', body: UpdateNameBody, response: { 200: PersonAnswer } } },
    async ({ caller, body }) => ({ user: showPerson(await people.rename(caller, body)) }),
  );
  app.delete(
    me,
    { schema: { tags, summary: 'Delete the own account', response: { 200: PersonAnswer } } },
    async ({ caller }) => ({ user: showPerson(await people.remove(caller)) }),
  );
  app.post(
    '/api/v2/password/user/password-reset',
    { schema: { tags, summary: 'Change the own password', body: ChangePasswordBody, response: { 200: Message } } },
    async (request) => {
      const { person } = await people.me(request.caller);
      await people.changePassword(request.caller, request.body, devices.numberOf(request, person.email));
      return { message: 'Successfully changed the password; every other session has ended' };
    },
  );

  app.post(
    '/api/v2/password/password-reset',
    {
      config: { public: true },
      schema: { tags, summary: 'Set a password with a link', body: ResetPasswordBody, response: { 200: Message } },
    },
    async (request, reply) => {
      const { code, newPassword } = request.body;
      await resets.use(code ?? bearerOf(request) ?? '', newPassword, originOf(request));
      clearRefreshCookie(reply);
      return { message: 'Successfully set the password; log in with it' };
    },
  );
  app.post(
    '/api/v1/admin/user-management/users/:userId/password-reset',
    {
      schema: {
        tags: ['admin'],
        summary: 'Make a link that sets a new password',
        params: UserParams,
        body: emptyBody(MakeResetBody),
        response: { 200: MakeResetAnswer },
      },
    },
    async ({ caller, params, body }, reply) => {
      const { link, expiresAt } = await resets.make(caller, params.userId, body);
      reply.header('cache-control', 'no-store');
      return { link, expiresAt: expiresAt.toISOString() };
    },
  );

  app.get(
    `${me}/sessions`,
    { schema: { tags, summary: 'List the own sessions', response: { 200: SessionsAnswer } } },
    async ({ caller }) => {
      const { session } = await people.me(caller);
      return (await people.sessions(caller)).map((row) => showSession(row, session?.id));
    },
  );
  app.delete(
    `${me}/sessions`,
    { schema: { tags, summary: 'End all own sessions', response: { 200: Message } } },
    async ({ caller }, reply) => {
      await people.endSessions(caller);
      clearRefreshCookie(reply);
      return { message: 'Successfully revoked all sessions' };
    },
  );
  app.delete(
    `${me}/sessions/:sessionId`,
    { schema: { tags, summary: 'End one own session', params: SessionParams, response: { 200: Message } } },
    async ({ caller, params }) => {
      await people.endSessions(caller, params.sessionId);
      return { message: 'Successfully revoked the session' };
    },
  );
}
