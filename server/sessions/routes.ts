import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  emptyBody,
  Message,
  Nothing,
  PasswordLoginAnswer,
  PasswordLoginBody,
  RefreshAnswer,
  SelectOrganizationAnswer,
  SelectOrganizationBody,
  SrpAnswer,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import type { Devices } from '../people/devices.ts';
import type { PasswordLogin } from '../people/login.ts';
import type { People } from '../people/service.ts';
import { badRequest } from '../refusal.ts';
import { clearRefreshCookie, refreshCookieOf, requireOwnOrigin, setRefreshCookie } from './cookie.ts';
import type { Sessions } from './service.ts';

interface Options {
  readonly login: PasswordLogin;
  readonly sessions: Sessions;
  readonly people: People;
  readonly devices: Devices;
}

/** Logins of people, and what keeps them logged in. */
export async function sessionsRoutes(scope: FastifyInstance, options: Options): Promise<void> {
  const { login, sessions, people, devices } = options;
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['login of people'];
  const stranger = { config: { public: true } };

  app.post(
    '/api/v3/auth/login',
    {
      ...stranger,
      schema: {
        tags,
        summary: 'Log in with e-mail address and password',
        body: PasswordLoginBody,
        response: { 200: PasswordLoginAnswer },
      },
    },
    async (request, reply) => {
      requireOwnOrigin(request);
      const { email, password } = request.body;
      const device = devices.numberOf(request, email);
      const { accessToken, refresh, person } = await login.login(email, password, device, originOf(request));
      setRefreshCookie(reply, refresh);
      // Who has a second factor is known after it, and not before.
      if (!person.hasMfa) devices.remember(request, reply, email);
      reply.header('cache-control', 'no-store');
      return { accessToken };
    },
  );
  for (const step of ['login1', 'login2']) {
    app.post(
      `/api/v3/auth/${step}`,
      {
        ...stranger,
        schema: {
          tags,
          summary: 'Former login by SRP, which answers what to use instead',
          body: emptyBody(Nothing),
          response: { 200: SrpAnswer },
        },
      },
      async () => {
        throw badRequest(
          'logins by SRP are no longer made; send e-mail address and password to POST /api/v3/auth/login',
        );
      },
    );
  }
  app.post(
    '/api/v3/auth/select-organization',
    {
      schema: {
        tags,
        summary: 'Enter an organization: a token for it, or for its second factor',
        body: SelectOrganizationBody,
        response: { 200: SelectOrganizationAnswer },
      },
    },
    async ({ caller, body }) => {
      const { token, isMfaEnabled } = await sessions.select(caller, body.organizationId);
      return { token, isMfaEnabled, ...(isMfaEnabled ? { mfaMethod: 'totp' as const } : {}) };
    },
  );
  app.post(
    '/api/v1/auth/token',
    {
      ...stranger,
      schema: { tags, summary: 'Go on with the session of the cookie', response: { 200: RefreshAnswer } },
    },
    async (request, reply) => {
      const given = refreshCookieOf(request);
      try {
        const { token, organizationId, refresh } = await sessions.refresh(given, originOf(request));
        if (refresh !== undefined) setRefreshCookie(reply, refresh);
        reply.header('cache-control', 'no-store');
        return { token, organizationId };
      } catch (error) {
        if (given !== undefined) clearRefreshCookie(reply);
        throw error;
      }
    },
  );
  app.post(
    '/api/v1/auth/logout',
    { ...stranger, schema: { tags, summary: 'End the session of the cookie', response: { 200: Message } } },
    async (request, reply) => {
      await sessions.logout(refreshCookieOf(request), originOf(request));
      clearRefreshCookie(reply);
      return { message: 'Successfully logged out' };
    },
  );
  app.post(
    '/api/v1/auth/checkAuth',
    { schema: { tags, summary: 'Whether a token of a person is good', response: { 200: Message } } },
    async ({ caller }) => {
      await people.checkAuth(caller);
      return { message: 'Authenticated' };
    },
  );
}
