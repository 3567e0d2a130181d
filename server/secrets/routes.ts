import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import {
  CreateSecretBody,
  CreateSecretsBody,
  DeleteSecretBody,
  DeleteSecretsBody,
  GetSecretQuery,
  ListSecretsQuery,
  type ProjectReference as Named,
  referenceOf,
  SecretAnswer,
  SecretNameParams,
  SecretsAnswer,
  SecretTagsBody,
  UpdateSecretBody,
  UpdateSecretsBody,
  WrittenSecretsAnswer,
} from '../../contracts/index.ts';
import { sendBody } from '../http/bodies.ts';
import { badRequest } from '../refusal.ts';
import type { Reads } from './reads.ts';
import type { Target, Writes } from './writes.ts';

export interface SecretsRoutesOptions {
  readonly reads: Reads;
  readonly writes: Writes;
}

/** The secrets, at both of Infisical's addresses: today's `/api/v4/secrets` and the older `/api/v3/secrets/raw`. */
export async function secretsRoutes(scope: FastifyInstance, { reads, writes }: SecretsRoutesOptions): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['secrets'];
  tagRoutes(scope, writes);

  for (const base of ['/api/v3/secrets/raw', '/api/v4/secrets']) {
    app.get(
      base,
      {
        schema: {
          tags,
          summary: 'List the secrets of a folder',
          querystring: ListSecretsQuery,
          response: { 200: SecretsAnswer },
        },
      },
      async (request, reply) => {
        const { environment, secretPath: path, recursive, viewSecretValue: withValues } = request.query;
        const question = { project: reference(request.query), environment, path, recursive, withValues };
        return sendBody(request, reply, await reads.read(request.caller, question));
      },
    );

    app.get(
      `${base}/:secretName`,
      {
        schema: {
          tags,
          summary: 'Read one secret, or an earlier version of it',
          params: SecretNameParams,
          querystring: GetSecretQuery,
          response: { 200: SecretAnswer },
        },
      },
      async (request, reply) => {
        const { environment, secretPath: path, viewSecretValue: withValues, version, type } = request.query;
        refusePersonal(type);
        const key = request.params.secretName;
        const question = { project: reference(request.query), environment, path, recursive: false, key, withValues };
        if (version !== undefined) {
          const { json, etag } = await reads.readVersion(request.caller, question, version);
          return sendBody(request, reply, { json, etag });
        }
        return sendBody(request, reply, await reads.read(request.caller, question));
      },
    );

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
        for (const { type } of body.secrets) refusePersonal(type);
        return { secrets: await writes.remove(caller, target(body), body.secrets) };
      },
    );

    const one = { tags, params: SecretNameParams, response: { 200: SecretAnswer } };
    app.post(
      `${base}/:secretName`,
      { schema: { ...one, summary: 'Create a secret', body: CreateSecretBody } },
      async (request) => {
        const { caller, body, params } = request;
        refusePersonal(body.type);
        const [secret] = await writes.create(caller, target(body), [{ ...body, secretKey: params.secretName }]);
        return { secret: secret! };
      },
    );
    app.patch(
      `${base}/:secretName`,
      { schema: { ...one, summary: 'Change a secret', body: UpdateSecretBody } },
      async (request) => {
        const { caller, body, params } = request;
        refusePersonal(body.type);
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
        refusePersonal(body.type);
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
        refusePersonal(body.type);
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

function refusePersonal(type: 'shared' | 'personal'): void {
  if (type === 'personal') throw badRequest('personal overrides are not kept by this server; use type "shared"');
}
