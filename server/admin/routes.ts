import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AccessToken,
  AdminSignupAnswer,
  AdminSignupBody,
  BootstrapAnswer,
  BootstrapBody,
  PROOF_HEADER,
  RecoverySessionBody,
} from '../../contracts/index.ts';
import type { ProvenRequest } from '../../keys/index.ts';
import { originOf } from '../http/authentication.ts';
import { showOrganization } from '../organizations/routes.ts';
import { showPerson, showUser } from '../people/show.ts';
import { requireOwnOrigin, setRefreshCookie } from '../sessions/cookie.ts';
import type { Admin } from './service.ts';

/** The first run, and the way back in. Strangers reach these routes; what they need is a proof of kms-secrets. */
export async function adminRoutes(scope: FastifyInstance, { admin }: { admin: Admin }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['admin'];
  const stranger = { config: { public: true } };

  app.post(
    '/api/v1/admin/bootstrap',
    {
      ...stranger,
      schema: { tags, summary: 'Set up the instance, once', body: BootstrapBody, response: { 200: BootstrapAnswer } },
    },
    async (request) => {
      const done = await admin.bootstrap(request.body, proofOf(request), provenOf(request), originOf(request));
      const { user, organization, identity, token } = done;
      return {
        message: 'Successfully bootstrapped instance',
        user: showUser(user),
        organization: showOrganization(organization),
        identity: {
          id: identity.id,
          name: identity.name,
          credentials: { clientId: identity.clientId, ...(token === undefined ? {} : { token }) },
        },
      };
    },
  );
  app.post(
    '/api/v1/admin/signup',
    {
      ...stranger,
      schema: {
        tags,
        summary: 'Set up the instance, once, as a person who is logged in by it',
        body: AdminSignupBody,
        response: { 200: AdminSignupAnswer },
      },
    },
    async (request, reply) => {
      requireOwnOrigin(request);
      const done = await admin.signUp(request.body, proofOf(request), provenOf(request), originOf(request));
      setRefreshCookie(reply, done.refresh);
      reply.header('cache-control', 'no-store');
      return {
        message: 'Successfully set up admin account',
        user: showPerson(done.person),
        organization: showOrganization(done.organization),
        token: done.accessToken,
        new: 'true',
      };
    },
  );
  app.post(
    '/api/v1/admin/recovery-session',
    {
      ...stranger,
      schema: {
        tags,
        summary: 'Open a session with a proof of kms-secrets',
        body: RecoverySessionBody,
        response: { 200: AccessToken },
      },
    },
    (request) => admin.recoverySession(request.body.email, proofOf(request), provenOf(request), originOf(request)),
  );
}

function proofOf(request: FastifyRequest): string | undefined {
  const header = request.headers[PROOF_HEADER];
  return Array.isArray(header) ? header[0] : header;
}

function provenOf(request: FastifyRequest): ProvenRequest {
  return { method: request.method, path: request.raw.url ?? '', body: request.rawBody ?? Buffer.alloc(0) };
}
