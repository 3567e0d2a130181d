import { afterAll, beforeAll, expect, test } from 'vitest';
import { Database } from '../../../server/database/database.ts';
import { LastSeen } from '../../../server/last-seen/last-seen.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let db: Database;
let tokenId: string;

beforeAll(async () => {
  server = await startServer();
  db = new Database({ uri: server.database.uri, connections: 4 });
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['token-auth'] } });
  const machine = await server.machine('seen');
  const url = `/api/v1/auth/token-auth/identities/${machine.id}`;
  await server.do('POST', url);
  tokenId = (await server.do('POST', `${url}/tokens`)).tokenData.id;
});
afterAll(async () => {
  await db.close();
  await server.close();
});

const uses = async () => {
  const { rows } = await server.sql.query('select uses::int from token_uses where token_id = $1', [tokenId]);
  return rows[0]?.uses ?? 0;
};

test('replicas that write at the same moment lose no use', async () => {
  const replicas = [new LastSeen(db), new LastSeen(db), new LastSeen(db)];
  for (let round = 0; round < 5; round++) {
    for (const replica of replicas) replica.used(tokenId);
    await Promise.all(replicas.map((replica) => replica.flush()));
  }
  expect(await uses()).toBe(15);
});

test('what cannot be written is kept, and hinders nobody who asks', async () => {
  const before = await uses();
  const failing = new Database({ uri: server.database.uri, connections: 1 });
  const seen = new LastSeen(failing);
  await server.sql.query('alter table token_uses rename to elsewhere');
  seen.used(tokenId);
  await expect(seen.flush()).rejects.toThrow();
  seen.used(tokenId);
  await seen.settle();
  await server.sql.query('alter table elsewhere rename to token_uses');
  await seen.stop();
  expect(await uses()).toBe(before + 2);
  await failing.close();
});

test('a token that is gone meanwhile is left out, and the others are written', async () => {
  const before = await uses();
  const seen = new LastSeen(db);
  seen.used('00000000-0000-4000-8000-00000000dead');
  seen.loggedIn('00000000-0000-4000-8000-00000000dead', 'universal-auth');
  seen.used(tokenId);
  await seen.flush();
  expect(await uses()).toBe(before + 1);
});
