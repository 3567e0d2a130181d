import type { FastifyInstance } from 'fastify';
import { readsOnePlace } from '../http/service-tokens.ts';
import type { ServiceTokens } from './service.ts';

/** Whatever says where a read is; `projectId` and the rest are put in their place. */
const NAMING = ['workspaceId', 'workspaceSlug', 'projectSlug', 'organizationId'];

/**
 * As Infisical: a service token for one folder reads that folder, whichever one, if any, its request names. It is put into
 * the query before that is checked, so that the rest of the server sees an ordinary read.
 */
export function putIntoOneScope(app: FastifyInstance, serviceTokens: ServiceTokens): void {
  app.addHook('preValidation', async (request) => {
    if (request.caller?.isServiceToken !== true || !readsOnePlace(request)) return;
    const place = await serviceTokens.onePlace(request.caller.actorId);
    if (place === null) return;
    const others = Object.entries(request.query as object).filter(([name]) => !NAMING.includes(name));
    const { projectId, environment, secretPath } = place;
    request.query = { ...Object.fromEntries(others), projectId, environment, secretPath };
  });
}
