import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  flagOr,
  type GetSecretQuery as GetQuery,
  GetSecretByIdQuery,
  GetSecretQuery,
  ListSecretsQuery,
  ReferenceTreeAnswer,
  ReferenceTreeQuery,
  referenceOf,
  SecretAnswer,
  SecretIdParams,
  SecretNameParams,
  SecretsAnswer,
} from '../../contracts/index.ts';
import { sendBody } from '../http/bodies.ts';
import type { Question } from './question.ts';
import type { Reads } from './reads.ts';

/** Infisical's two addresses. What is not said means yes in v4 and no in v3. */
const VERSIONS = [
  { base: '/api/v3/secrets/raw', whenAbsent: false, listed: 'beside' },
  { base: '/api/v4/secrets', whenAbsent: true, listed: 'none' },
] as const;

/** The reading half of the secrets. */
export async function secretReadRoutes(scope: FastifyInstance, { reads }: { reads: Reads }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['secrets'];

  for (const { base, whenAbsent, listed } of VERSIONS) {
    const common = (query: Omit<GetQuery, 'version' | 'type'>) => ({
      // The contract has checked that one of the four ways to name a project is there.
      project: referenceOf(query)!,
      environment: query.environment,
      path: query.secretPath,
      withValues: flagOr(true, query.viewSecretValue),
      expand: flagOr(whenAbsent, query.expandSecretReferences),
      imports: flagOr(whenAbsent, query.includeImports || query.include_imports),
    });

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
        const { recursive, includePersonalOverrides, tagSlugs: slugs, metadataFilter: metadata = [] } = request.query;
        const tagSlugs = slugs?.split(',').map((slug) => slug.trim()) ?? [];
        const filter = tagSlugs.length + metadata.length === 0 ? undefined : { tagSlugs, metadata };
        const personal = flagOr(false, includePersonalOverrides) ? 'first' : listed;
        const question: Question = { ...common(request.query), recursive, personal, filter };
        return sendBody(request, reply, await reads.read(request.caller, question, request.headers['if-none-match']));
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
        const { version, type, includePersonalOverrides } = request.query;
        const personal = type === 'personal' ? 'only' : flagOr(false, includePersonalOverrides) ? 'first' : 'none';
        const key = request.params.secretName;
        const question = { ...common(request.query), recursive: false, key, personal } as const;
        if (version !== undefined) {
          return sendBody(request, reply, await reads.readVersion(request.caller, question, version));
        }
        return sendBody(request, reply, await reads.read(request.caller, question, request.headers['if-none-match']));
      },
    );

    app.get(
      `${base}/id/:secretId`,
      {
        schema: {
          tags,
          summary: 'Read one secret by its id',
          params: SecretIdParams,
          querystring: GetSecretByIdQuery,
          response: { 200: SecretAnswer },
        },
      },
      async (request, reply) => {
        const { viewSecretValue, expandSecretReferences } = request.query;
        const wish = { withValues: flagOr(true, viewSecretValue), expand: flagOr(false, expandSecretReferences) };
        return sendBody(request, reply, await reads.readById(request.caller, request.params.secretId, wish));
      },
    );

    const tree = {
      tags,
      params: SecretNameParams,
      querystring: ReferenceTreeQuery,
      response: { 200: ReferenceTreeAnswer },
    };
    app.get(
      `${base}/:secretName/secret-reference-tree`,
      { schema: { ...tree, summary: 'Show what a secret refers to' } },
      async (request, reply) => {
        const { caller, params, query } = request;
        const { environment, secretPath: path } = query;
        const place = { project: referenceOf(query)!, environment, path, key: params.secretName };
        return sendBody(request, reply, await reads.referenceTree(caller, place));
      },
    );
    app.get(
      `${base}/:secretName/reference-dependency-tree`,
      { schema: { ...tree, summary: 'Show which secrets refer to a secret' } },
      async ({ caller, params, query }) => {
        const { environment, secretPath: path } = query;
        const place = { project: referenceOf(query)!, environment, path, key: params.secretName };
        return { tree: await reads.dependents(caller, place) };
      },
    );
  }
}
