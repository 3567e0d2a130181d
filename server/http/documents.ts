import swagger from '@fastify/swagger';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { ErrorBody, NotModified } from '../../contracts/index.ts';
import { documentPage } from './documents-page.ts';

/** What every route may answer besides its own, by status. */
const REFUSALS: Readonly<Record<number, string>> = {
  400: 'The request is not well-formed, or cannot be done as asked',
  401: 'No token, or one that is not valid (any more)',
  403: 'The caller may not do this',
  404: 'What the request names does not exist, or not for this caller',
  408: 'The request took longer than 30 seconds to arrive',
  409: 'It exists already, or was changed at the same moment',
  413: 'The request body is larger than 1 MiB',
  414: 'A part of the path is too long',
  415: 'The request body is neither JSON nor a form',
  422: 'Fields are missing or wrong; `message` lists them',
  429: 'Too many requests; `retry-after` tells how many seconds to wait',
  431: 'The request line and the headers together are larger than 16 KiB',
  500: 'A fault of the server, such as a stored value that does not open; its log has the `reqId`',
  503: 'The server cannot do its work now; `retry-after` tells when to ask again',
};

/** The OpenAPI document, made from the very schemas that check the requests: a page at `/api/docs`, JSON below it. */
export async function documentApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Hanzo KMS',
        version,
        description: "Secrets over HTTP, compatible with Infisical's API (HIP-27).",
      },
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'An access token, as a login gives it',
          },
        },
      },
      security: [{ bearer: [] }],
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withoutUnused(jsonSchemaTransformObject(document)),
  });
  app.addHook('onRoute', complete);
  app.get('/api/docs/json', { config: { public: true }, schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(app.swagger()),
  );
  documentPage(app);
}

/** Every shared schema comes in two readings, as it is sent and as it is received; mostly one of them is used. */
function withoutUnused<Document extends object>(document: Document): Document {
  const { components, paths } = document as { components?: { schemas?: Record<string, unknown> }; paths?: unknown };
  const schemas = components?.schemas ?? {};
  const used = new Set(
    [paths, schemas].flatMap((part) =>
      [...JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name),
    ),
  );
  const kept = Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
  return { ...document, components: { ...components, schemas: kept } };
}

interface Documented {
  hide?: boolean;
  operationId?: string;
  security?: readonly Record<string, readonly string[]>[];
  querystring?: unknown;
  params?: unknown;
  body?: unknown;
  tags?: readonly string[];
  response?: Record<string, unknown>;
}

/** Adds to a route's documentation what follows from what it is, so that no route can forget it. */
function complete(route: RouteOptions): void {
  const schema = route.schema as Documented | undefined;
  const method = [route.method].flat()[0]!;
  if (schema === undefined || schema.hide || method === 'HEAD' || method === 'OPTIONS') return;
  const isPublic = route.config?.public === true;
  route.schema = {
    operationId: operationId(method, route.url),
    ...(isPublic ? { security: [] } : {}),
    ...schema,
    response: { ...answersOf(method, isPublic, schema), ...schema.response },
  } as typeof route.schema;
}

function answersOf(method: string, isPublic: boolean, schema: Documented): Record<string, unknown> {
  const reads = method === 'GET';
  const takes = [schema.querystring, schema.params, schema.body].some((part) => part !== undefined);
  const given = Object.keys(REFUSALS)
    .map(Number)
    .filter((status) => {
      if (status === 401) return !isPublic || !reads;
      if (status === 422) return takes;
      if (status === 414) return schema.params !== undefined;
      if (status === 409 || status === 413 || status === 415) return !reads;
      return true;
    });
  const refusals = given.map((status) => [status, { description: REFUSALS[status], content: JSON_ERROR }]);
  // Secrets alone are answered with a tag to ask by.
  const tagged = reads && schema.tags?.includes('secrets');
  return { ...Object.fromEntries(refusals), ...(tagged ? { 304: NotModified } : {}) };
}

const JSON_ERROR = { 'application/json': { schema: ErrorBody } };

/** `GET /api/v3/secrets/raw/:secretName` is `getV3SecretsRawBySecretName`: as stable as the address itself. */
function operationId(method: string, url: string): string {
  const words = url.replace(/^\/api\//, '').split(/[/-]/);
  const named = words.map((word) => (word.startsWith(':') ? `By${upperFirst(word.slice(1))}` : upperFirst(word)));
  return method.toLowerCase() + named.join('').replace(/\W/g, '');
}

const upperFirst = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
