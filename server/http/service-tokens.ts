import type { FastifyRequest } from 'fastify';
import type { Audit } from '../audit/audit.ts';
import { forbidden } from '../refusal.ts';

/** The reads of secrets at one place: those that a token of a single folder need not name. */
const PLACES = ['/api/v3/secrets/raw', '/api/v4/secrets'].flatMap((base) => [`GET ${base}`, `GET ${base}/:secretName`]);

const WRITES = ['POST', 'PATCH', 'DELETE'].flatMap((method) =>
  [
    '/api/v3/secrets/raw/:secretName',
    '/api/v3/secrets/batch/raw',
    '/api/v4/secrets/:secretName',
    '/api/v4/secrets/batch',
  ].map((url) => `${method} ${url}`),
);

const FOLDERS = ['/api/v1/folders', '/api/v2/folders'].flatMap((base) => [
  `GET ${base}`,
  `GET ${base}/:folderId`,
  `GET ${base}/:projectId/:environment/:path`,
]);

/** The routes that service tokens work on. On every other one they are refused, whatever their rights. */
export const SERVICE_TOKEN_ROUTES: ReadonlySet<string> = new Set([
  ...PLACES,
  ...WRITES,
  ...FOLDERS,
  'GET /api/v2/service-token',
]);
const PLACE_ROUTES: ReadonlySet<string> = new Set(PLACES);

const nameOf = ({ method, routeOptions }: FastifyRequest) =>
  `${method === 'HEAD' ? 'GET' : method} ${routeOptions.url?.replace(/(?<=.)\/$/, '')}`;

/** Whether a request reads secrets at one place. */
export const readsOnePlace = (request: FastifyRequest): boolean => PLACE_ROUTES.has(nameOf(request));

/** Refuses what is no route for service tokens, before anything else is done for the request. */
export function refuseToServiceTokens(request: FastifyRequest, audit: Audit): void {
  if (SERVICE_TOKEN_ROUTES.has(nameOf(request))) return;
  audit.refusedStranger('service-token-route');
  throw forbidden(
    'service tokens read and write secrets, and read folders, and nothing else; use a machine identity or log in as a person',
  );
}
