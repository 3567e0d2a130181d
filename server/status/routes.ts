import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { ErrorBody, Status } from '../../contracts/index.ts';
import type { Database, Statement } from '../database/database.ts';
import { unavailable } from '../refusal.ts';

const PING: Statement = { name: 'status.ping', text: 'select 1' };

export interface StatusOptions {
  readonly db: Database;
  readonly version: string;
  readonly redisConfigured: boolean;
  /** Whether the server has begun to stop, and wants no new requests. */
  readonly stopping: () => boolean;
}

/** HIP-27, "Health Checks": 200 exactly while this replica can serve. */
export async function statusRoutes(scope: FastifyInstance, options: StatusOptions): Promise<void> {
  const app = scope.withTypeProvider<ZodTypeProvider>();
  app.get(
    '/api/status',
    {
      config: { public: true },
      logLevel: 'warn',
      schema: { tags: ['status'], summary: 'Whether this server can serve', response: { 200: Status, 503: ErrorBody } },
    },
    async () => {
      if (options.stopping()) throw unavailable('this server is stopping');
      await options.db.query(PING, []);
      return {
        date: new Date().toISOString(),
        message: 'Ok',
        emailConfigured: false,
        inviteOnlySignup: true,
        redisConfigured: options.redisConfigured,
        secretScanningConfigured: false,
        database: 'ok' as const,
        version: options.version,
      };
    },
  );
}
