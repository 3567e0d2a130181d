import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import {
  flagOr,
  type GetSecretQuery as GetQuery,
  GetSecretByIdQuery,
  GetSecretQuery,
  type ListSecretsQuery as ListQuery,
  ListSecretsQuery,
  ReferenceTreeAnswer,
  ReferenceTreeQuery,
  referenceOf,
  SecretAnswer,
  SecretIdParams,
  SecretNameParams,
  SecretsAnswer,
  SecretsOfImportsAnswer,
  SecretsOfImportsQuery,
} from '../../contracts/index.ts';
import type { Past } from '../history/past.ts';
import { sendBody } from '../http/bodies.ts';
import { badRequest } from '../refusal.ts';
import type { Shortcut } from '../shortcut/shortcut.ts';
import { refuseEndToEnd } from './move-routes.ts';
import type { Question } from './question.ts';
import type { Reads } from './reads.ts';
import type { ReadsById } from './reads-by-id.ts';
import type { ReferenceReads } from './reference-reads.ts';

/** Infisical's two addresses. What is not said means yes in v4 and no in v3. */
const VERSIONS = [
  { base: '/api/v3/secrets/raw', whenAbsent: false, listed: 'beside' },
  { base: '/api/v4/secrets', whenAbsent: true, listed: 'none' },
] as const;

/** What a folder imports, at the addresses of its imports. Values stand as they are written. */
export async function importedSecretsRoutes(scope: FastifyInstance, { reads }: { reads: Reads }): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const schema = { tags: ['secrets'], querystring: SecretsOfImportsQuery };
  const alone = { recursive: false, withValues: true, expand: false, imports: true, personal: 'none' } as const;
  for (const url of [
    '/api/v1/secret-imports/secrets/raw',
    '/api/v2/secret-imports/secrets',
    '/api/v2/secret-imports/secrets/raw',
  ]) {
    app.get(
      url,
      {
        schema: {
          ...schema,
          summary: 'List the secrets that a folder imports',
          response: { 200: SecretsOfImportsAnswer },
        },
      },
      async (request, reply) => {
        const { environment, path } = request.query;
        const question = { ...alone, project: referenceOf(request.query)!, environment, path, importsAlone: true };
        return sendBody(request, reply, await reads.read(request.caller, question, request.headers['if-none-match']));
      },
    );
  }
  app.get(
    '/api/v1/secret-imports/secrets',
    {
      schema: { tags: ['secrets'], summary: 'Not kept: end-to-end encrypted secrets; the answer names the raw route' },
    },
    async () => refuseEndToEnd('GET /api/v1/secret-imports/secrets/raw'),
  );
}

interface ReadParts {
  readonly reads: Reads;
  readonly readsById: ReadsById;
  readonly references: ReferenceReads;
  readonly past: Past;
  readonly shortcut: Shortcut;
}

/** The reading half of the secrets. */
export async function secretReadRoutes(
  scope: FastifyInstance,
  { reads, readsById, references, past, shortcut }: ReadParts,
): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  const tags = ['secrets'];
  const answer = async (request: FastifyRequest, reply: FastifyReply, question: Question) => {
    const body = await reads.read(request.caller, question, request.headers['if-none-match']);
    shortcut.keep(request, question);
    return sendBody(request, reply, body);
  };

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
        const moment = momentOf(request.query);
        if (moment) return past.list(request.caller, { ...moment, recursive });
        const tagSlugs = slugs?.split(',').map((slug) => slug.trim()) ?? [];
        const filter = tagSlugs.length + metadata.length === 0 ? undefined : { tagSlugs, metadata };
        const personal = flagOr(false, includePersonalOverrides) ? 'first' : listed;
        return answer(request, reply, { ...common(request.query), recursive, personal, filter });
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
        const moment = momentOf(request.query);
        if (moment) return { secret: await past.get(request.caller, { ...moment, recursive: false, key }) };
        return answer(request, reply, { ...common(request.query), recursive: false, key, personal, version });
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
        return sendBody(request, reply, await readsById.read(request.caller, request.params.secretId, wish));
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
        const asTree = flagOr(true, query.viewSecretValue) ? 'whole' : 'names';
        return sendBody(request, reply, await references.tree(caller, place, asTree));
      },
    );
    app.get(
      `${base}/:secretName/reference-dependency-tree`,
      { schema: { ...tree, summary: 'Show which secrets refer to a secret' } },
      async ({ caller, params, query }) => {
        const { environment, secretPath: path } = query;
        const place = { project: referenceOf(query)!, environment, path, key: params.secretName };
        return { tree: await references.dependents(caller, place) };
      },
    );
  }
}

/** Words of a query that speak of the present alone: what the past referred to and imported is not looked up. */
const PRESENT = ['expandSecretReferences', 'includeImports', 'include_imports', 'includePersonalOverrides'] as const;

type MaybePast = ListQuery & Partial<Pick<GetQuery, 'version' | 'type'>>;

/** What a query with a moment asks of the past; nothing when it has none. */
function momentOf(query: Omit<MaybePast, 'recursive'>) {
  const { asOf, environment, secretPath: path, viewSecretValue } = query;
  if (asOf === undefined) return undefined;
  const asked = PRESENT.filter((word) => flagOr(false, query[word]));
  const present = [
    ...asked,
    ...(query.version === undefined ? [] : ['version']),
    ...(query.type === 'personal' ? ['type=personal'] : []),
    ...(query.tagSlugs === undefined ? [] : ['tagSlugs']),
    ...(query.metadataFilter === undefined ? [] : ['metadataFilter']),
  ];
  if (present.length > 0)
    throw badRequest(
      `asOf shows secrets as they were stored; leave out ${present.join(', ')}, which do not go with it`,
    );
  const withValues = flagOr(true, viewSecretValue);
  return { project: referenceOf(query)!, environment, path, at: new Date(asOf), withValues };
}
