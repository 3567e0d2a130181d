import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { killLeftovers, ServerProcess } from '../server/process/server-process.ts';
import { OwnPostgres } from '../support/own-postgres.ts';
import { Instance } from './support/instance.ts';
import { Random } from './support/seeds.ts';

let postgres: OwnPostgres;
let instance: Instance;
let folder: string;
let sink: string;

beforeAll(async () => {
  postgres = await OwnPostgres.start();
  folder = await mkdtemp(join(tmpdir(), 'kms-heads-'));
  sink = join(folder, 'heads.ndjson');
  instance = new Instance(() => postgres.uri);
});
afterEach(killLeftovers);
afterAll(async () => {
  await postgres?.close();
  await rm(folder, { recursive: true, force: true });
});

test('a Postgres killed under load takes no answer back', async () => {
  const random = new Random('Postgres is killed');
  const server = instance.replica({ KMS_AUDIT_SINK: `file:${sink}` });
  const address = await server.ready();
  await instance.setUp(address);
  const load = await instance.load(() => address, random);
  await load.start();
  for (let kill = 1; kill <= 2; kill++) {
    await load.served(random.between(20, 60));
    await pause(random.between(0, 20));
    await postgres.kill();
    await load.failed(8);
    await postgres.restart();
    // The server was told nothing; it finds its database again by itself.
    await load.served(20);
  }
  await load.stop();
  // The server went on: every client was answered, with 200 or with a 503 that says when to come back.
  load.expectOnly(200, 503);
  await load.settle(postgres.uri);
  // Seals are made beside the path, every few seconds; the first one has to be out before it can be verified.
  await expect.poll(() => existsSync(sink), { timeout: 30_000 }).toBe(true);
  server.signal('SIGTERM');
  expect(await server.ended()).toMatchObject({ code: 0 });

  const verify = new ServerProcess(instance.environment(), ['audit', 'verify', '--sink', sink]);
  const { code, output } = await verify.ended();
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('nothing found') });
});
