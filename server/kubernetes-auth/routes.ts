import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  AccessToken,
  AttachKubernetesAuthBody,
  IdentityParams,
  JwtLoginBody,
  KubernetesAuthAnswer,
  UpdateKubernetesAuthBody,
} from '../../contracts/index.ts';
import { originOf } from '../http/authentication.ts';
import { showLogin } from '../machine-logins/show.ts';
import type { KubernetesAuth, KubernetesRow } from './service.ts';

interface Options {
  readonly kubernetesAuth: KubernetesAuth;
}

/** Kubernetes Auth: the login that pods reach, and its set-up, which admins do. */
export async function kubernetesAuthRoutes(scope: FastifyInstance, { kubernetesAuth }: Options): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['kubernetes auth'];
  const base = '/api/v1/auth/kubernetes-auth/identities/:identityId';
  const one = { tags, params: IdentityParams, response: { 200: KubernetesAuthAnswer } };

  app.post(
    '/api/v1/auth/kubernetes-auth/login',
    {
      config: { public: true },
      schema: { tags, summary: "Log in with a pod's token", body: JwtLoginBody, response: { 200: AccessToken } },
    },
    (request) => kubernetesAuth.login(request.body.identityId, request.body.jwt, originOf(request)),
  );
  app.post(
    base,
    { schema: { ...one, summary: 'Give an identity Kubernetes Auth', body: AttachKubernetesAuthBody } },
    async ({ caller, params, body }) => ({
      identityKubernetesAuth: show(await kubernetesAuth.attach(caller, params.identityId, body)),
    }),
  );
  app.get(base, { schema: { ...one, summary: 'Read the settings' } }, async ({ caller, params }) => ({
    identityKubernetesAuth: show(await kubernetesAuth.get(caller, params.identityId)),
  }));
  app.patch(
    base,
    { schema: { ...one, summary: 'Change the settings', body: UpdateKubernetesAuthBody } },
    async ({ caller, params, body }) => ({
      identityKubernetesAuth: show(await kubernetesAuth.update(caller, params.identityId, body)),
    }),
  );
  app.delete(base, { schema: { ...one, summary: 'Take Kubernetes Auth away' } }, async ({ caller, params }) => ({
    identityKubernetesAuth: show(await kubernetesAuth.detach(caller, params.identityId)),
  }));
}

const show = (row: KubernetesRow) => ({
  ...showLogin(row),
  ...row.settings,
  tokenReviewerJwt: null,
  hasTokenReviewerJwt: row.sealedReviewerToken !== null,
  tokenReviewMode: 'api' as const,
  gatewayId: null,
});
