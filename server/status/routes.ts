import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { Status } from '../../contracts/index.ts';
import type { HealthCheck } from './health.ts';

export interface StatusOptions {
  readonly health: HealthCheck;
  readonly version: string;
}

/** HIP-27, "Health Checks": 200 exactly while this replica can serve. */
export async function statusRoutes(scope: FastifyInstance, { health, version }: StatusOptions): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  app.get(
    '/api/status',
    {
      // Never limited: who is told 429 instead of the state restarts what is well.
      config: { public: true, rateLimit: false },
      logLevel: 'warn',
      schema: { tags: ['status'], summary: 'Whether this server can serve', response: { 200: Status } },
    },
    async () => {
      const { database, redis, encryption, audit, draining } = await health.check();
      return {
        date: new Date().toISOString(),
        message: 'Ok',
        emailConfigured: false,
        inviteOnlySignup: true,
        redisConfigured: redis !== 'off',
        secretScanningConfigured: false,
        auditLogStorageDisabled: false,
        database,
        redis,
        encryption,
        audit,
        draining,
        version,
      };
    },
  );
}
