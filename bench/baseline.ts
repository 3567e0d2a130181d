import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import Fastify from 'fastify';
import pg from 'pg';

/**
 * What ours is compared with: `bare` answers the same bytes from memory, `naive` does so after one durable row per
 * request. In a process of its own, like ours; says its address when it is ready.
 */
const [name] = process.argv.slice(2) as [string];
const [{ databaseUri, bodies }] = (await once(process, 'message')) as [
  { databaseUri: string; bodies: Record<string, string> },
];

const pool = new pg.Pool({ connectionString: databaseUri, max: 10 });
const insert = { name: 'insert', text: 'insert into bench_rows (id, token, path) values ($1, $2, $3)' };
const app = Fastify();
const answers = new Map(Object.entries(bodies).map(([url, body]) => [url, Buffer.from(body)]));
// Routes are Fastify's own matter, so that a baseline pays for them as ours does; which of their bodies, the whole URL tells.
for (const path of new Set([...answers.keys(), '/api/v4/secrets/:name'].map((url) => url.split('?')[0]!))) {
  app.all(path, async (request, reply) => {
    if (name === 'naive') await pool.query({ ...insert, values: [randomUUID(), 'a token', path] });
    const answer = answers.get(request.url) ?? answers.get('/api/v4/secrets/KEY')!;
    return reply.type('application/json; charset=utf-8').send(answer);
  });
}

process.send!({ ready: await app.listen({ host: '127.0.0.1', port: 0 }) });
process.on('disconnect', () => void Promise.all([app.close(), pool.end()]).then(() => process.exit()));
