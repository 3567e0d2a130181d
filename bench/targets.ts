import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';
import { parseAuthSecret, parseRootKey } from '../keys/index.ts';
import { createApp } from '../server/app.ts';

/**
 * One server to be measured, in a process of its own: `ours`, or a baseline that answers the same bytes: `bare` from
 * memory, `naive` from memory after one durable row per request. Prints its address.
 */
const [target, settings] = process.argv.slice(2) as [string, string];
const { databaseUri, rootKey, authSecret, body } = JSON.parse(settings) as Record<string, string>;

async function start() {
  if (target === 'ours') {
    return createApp({
      databaseUri: databaseUri!,
      rootKey: parseRootKey(rootKey!),
      authSecret: parseAuthSecret(authSecret!),
    });
  }
  const bytes = Buffer.from(body!);
  const app = Fastify();
  const pool = new pg.Pool({ connectionString: databaseUri!, max: 10 });
  app.get('/api/v3/secrets/raw', async (_request, reply) => {
    if (target === 'naive') {
      const insert = { name: 'insert', text: 'insert into bench_rows (id, token, path) values ($1, $2, $3)' };
      await pool.query({ ...insert, values: [randomUUID(), 'a token', '/'] });
    }
    return reply.type('application/json; charset=utf-8').send(bytes);
  });
  return app;
}

const app = await start();
const address = await app.listen({ host: '127.0.0.1', port: 0 });
process.send!({ address });
process.on('disconnect', () => void app.close().then(() => process.exit()));
