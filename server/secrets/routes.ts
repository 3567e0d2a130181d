import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import {
  CreateSecretBody,
  CreateSecretsBody,
  DeleteSecretBody,
  DeleteSecretsBody,
  type ProjectReference as Named,
  referenceOf,
  SecretAnswer,
  SecretNameParams,
  SecretTagsBody,
  UpdateSecretBody,
  UpdateSecretsBody,
  WrittenSecretsAnswer,
} from '../../contracts/index.ts';
import { badRequest } from '../refusal.ts';
import type { PersonalWrites } from './personal.ts';
import type { Target } from './write-requests.ts';
import type { Writes } from './writes.ts';

export interface SecretsRoutesOptions {
  readonly writes: Writes;
  readonly personal: PersonalWrites;
}

/** The writing half of the secrets, at both of Infisical's addresses: today's `/api/v4/secrets` and the older `/api/v3/secrets/raw`. */
export async function secretsRoutes(scope: FastifyInstance, { writes, personal }: SecretsRoutesOptions): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['secrets'];
  tagRoutes(scope, writes);

  for (const base of ['/api/v3/secrets/raw', '/api/v4/secrets']) {
    const batch = base.startsWith('/api/v3') ? '/api/v3/secrets/batch/raw' : `${base}/batch`;
    app.post(
      batch,
      {
        schema: {
          tags,
          summary: 'Create secrets, all or none',
          body: CreateSecretsBody,
          response: { 200: WrittenSecretsAnswer },
        },
      },
      async ({ caller, body }) => ({ secrets: await writes.create(caller, target(body), body.secrets) }),
    );
    app.patch(
      batch,
      {
        schema: {
          tags,
          summary: 'Change secrets, all or none',
          body: UpdateSecretsBody,
          response: { 200: WrittenSecretsAnswer },
        },
      },
      async ({ caller, body }) => ({ secrets: await writes.update(caller, target(body), body.secrets, body.mode) }),
    );
    app.delete(
      batch,
      {
        schema: {
          tags,
          summary: 'Delete secrets, all or none',
          body: DeleteSecretsBody,
          response: { 200: WrittenSecretsAnswer },
        },
      },
      async ({ caller, body }) => {
        refusePersonal(body.secrets);
        return { secrets: await writes.remove(caller, target(body), body.secrets) };
      },
    );

    const one = { tags, params: SecretNameParams, response: { 200: SecretAnswer } };
    app.post(
      `${base}/:secretName`,
      { schema: { ...one, summary: 'Create a secret', body: CreateSecretBody } },
      async (request) => {
        const { caller, body, params } = request;
        if (body.type === 'personal')
          return { secret: await personal.create(caller, target(body), params.secretName, body) };
        const [secret] = await writes.create(caller, target(body), [{ ...body, secretKey: params.secretName }]);
        return { secret: secret! };
      },
    );
    app.patch(
      `${base}/:secretName`,
      { schema: { ...one, summary: 'Change a secret', body: UpdateSecretBody } },
      async (request) => {
        const { caller, body, params } = request;
        if (body.type === 'personal')
          return { secret: await personal.update(caller, target(body), params.secretName, body) };
        const change = { ...body, secretKey: params.secretName };
        const [secret] = await writes.update(caller, target(body), [change], 'failOnNotFound');
        return { secret: secret! };
      },
    );
    app.delete(
      `${base}/:secretName`,
      { schema: { ...one, summary: 'Delete a secret', body: DeleteSecretBody } },
      async (request) => {
        const { caller, body, params } = request;
        if (body.type === 'personal') return { secret: await personal.remove(caller, target(body), params.secretName) };
        const [secret] = await writes.remove(caller, target(body), [{ secretKey: params.secretName }]);
        return { secret: secret! };
      },
    );
  }
}

/** Tags of a secret, at Infisical's one address for them. */
function tagRoutes(scope: FastifyInstance, writes: Writes): void {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const url = '/api/v3/secrets/tags/:secretName';
  const schema = {
    tags: ['secrets'],
    params: SecretNameParams,
    body: SecretTagsBody,
    response: { 200: SecretAnswer },
  };
  for (const [method, how, summary] of [
    ['POST', 'add', 'Add tags to a secret'],
    ['DELETE', 'remove', 'Take tags from a secret'],
  ] as const) {
    app.route({
      method,
      url,
      schema: { ...schema, summary },
      handler: async ({ caller, body, params }) => {
        refusePersonal([body]);
        return { secret: await writes.retag(caller, target(body), params.secretName, how, body.tagSlugs) };
      },
    });
  }
}

// The contract has checked that one of the four ways to name a project is there.
const reference = (given: z.infer<typeof Named>) => referenceOf(given)!;

const target = (body: z.infer<typeof Named> & { environment: string; secretPath: string }): Target => ({
  project: reference(body),
  environment: body.environment,
  path: body.secretPath,
});

function refusePersonal(secrets: readonly { readonly type: 'shared' | 'personal' }[]): void {
  if (secrets.every(({ type }) => type === 'shared')) return;
  throw badRequest('only shared secrets can be changed here; a personal one is changed by its own name');
}
