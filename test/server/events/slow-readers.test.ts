import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EventClient } from '../../support/event-client.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let base: string;
let project: { id: string };
const sockets = new Set<Socket>();

beforeAll(async () => {
  server = await startServer({ events: { stalledMs: 500, closeWithinMs: 50, longestMs: 600_000 } });
  base = await server.app.listen({ host: '127.0.0.1', port: 0 });
  project = await server.project('gateway');
  server.app.server.on('connection', (socket) => sockets.add(socket));
});
afterAll(() => server.close());

const open = (at = base, token = server.admin, projectId = project.id) =>
  new EventClient().open(at, token, { projectId, register: [{ event: 'secret:update' }] });
const connections = () => new Promise<number>((resolve) => server.app.server.getConnections((_, n) => resolve(n)));

/** Rows as a writer's trigger makes them, many at once. */
const announce = (rows: number) =>
  server.sql.query(
    `insert into change_log (project_id, folder_id, environment, path, event, keys)
     select $1, gen_random_uuid(), 'dev', '/' || repeat('x', 200), 'secret:update', array[repeat('K', 200) || n]
       from generate_series(1, $2::int) n`,
    [project.id, rows],
  );

test('a burst reaches a client that reads, whole and in order', async () => {
  const client = await open();
  await announce(2_000);
  await client.until(({ told }) => told.length === 2_000);
  expect(client.told.map((line) => Number(/K(\d+)$/.exec(line)![1]))).toEqual(
    Array.from({ length: 2_000 }, (_, n) => n + 1),
  );
  client.close();
});

test('a client that never reads is cut off, while others hear on', async () => {
  const healthy = await open();
  const deaf = await open();
  deaf.pause();
  const before = await connections();
  let announced = 0;
  let waiting = 0;
  // The kernels of both sides hold some megabytes first; when those are full, half a second is all it gets.
  while ((await connections()) >= before && announced < 100_000) {
    await announce(500);
    announced += 500;
    await healthy.until(({ told }) => told.length >= announced, `${announced} changes`);
    waiting = Math.max(waiting, ...[...sockets].map((socket) => socket.writableLength));
  }
  expect(await connections()).toBeLessThan(before);
  expect(healthy.ended).toBe(false);
  // One frame, and nothing behind it.
  expect(waiting).toBeLessThan(128 * 1024);
  const numbers = (await server.app.metrics.render()).split('\n');
  expect(numbers).toContain('kms_event_streams 1');
  expect(numbers).toContain('kms_event_streams_ended_total{why="reader-too-slow"} 1');
  healthy.close();
  deaf.close();
});

test('a stop ends every stream and is not held up by one that reads nothing', async () => {
  const other = await startServer({ events: { closeWithinMs: 100, stalledMs: 200, longestMs: 600_000 } });
  const at = await other.app.listen({ host: '127.0.0.1', port: 0 });
  const { id } = await other.project('gateway');
  const clients = await Promise.all(Array.from({ length: 5 }, () => open(at, other.admin, id)));
  // The answer begins before the stream does; one that is stopped in between was told nothing yet.
  await Promise.all(clients.map((client) => client.until(({ events }) => events.length > 0)));
  clients[0]!.pause();
  await other.close();
  await Promise.all(clients.slice(1).map((client) => client.until(({ ended }) => ended)));
  // It was told how long to wait before it comes back, and each another time.
  const pauses = clients.slice(1).map(({ events }) => Number((events[0] as any).retry));
  expect(pauses.every((ms) => ms >= 500 && ms <= 3_000)).toBe(true);
  clients[0]!.close();
});
