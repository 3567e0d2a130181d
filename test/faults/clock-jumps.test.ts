import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { killLeftovers, ServerProcess } from '../server/process/server-process.ts';
import { createDatabase } from '../support/database.ts';
import { Clock, noFaketime, startPostgresBy } from './support/clocks.ts';
import { Instance, type MachineLogin } from './support/instance.ts';
import type { Load } from './support/load.ts';
import { Random } from './support/seeds.ts';

const HOUR = 3600;
const HALF_AN_HOUR = { accessTokenTTL: HOUR / 2, accessTokenMaxTTL: HOUR / 2 };

/** Whole ones, and never -0. */
const minutes = (milliseconds: number) => Math.round(milliseconds / 60_000) + 0;

afterEach(killLeftovers);

/** Load on an instance, and a machine whose tokens live for half an hour. */
async function busy(
  instance: Instance,
  addresses: readonly string[],
  random: Random,
): Promise<{ load: Load; machine: MachineLogin; list: string }> {
  await instance.setUp(addresses[0]!);
  const projectId = await instance.project(addresses[0]!);
  const machine = await instance.machine(addresses[0]!, projectId, HALF_AN_HOUR);
  const load = await instance.load(() => random.pick(addresses), random);
  await load.start();
  await load.served(20);
  return { load, machine, list: `/api/v4/secrets?projectId=${projectId}&environment=dev` };
}

/** Stops the replicas and looks for anything that a verification of the audit would take for tampering. */
async function verified(instance: Instance, replicas: readonly ServerProcess[], sinks: readonly string[]) {
  // Seals are made beside the path, by one replica at a time, and the first is out a moment later.
  const written = () => sinks.filter((sink) => existsSync(sink));
  await expect.poll(() => written().length, { timeout: 30_000 }).toBeGreaterThan(0);
  for (const server of replicas) server.signal('SIGTERM');
  for (const server of replicas) expect(await server.ended()).toMatchObject({ code: 0 });
  const verify = new ServerProcess(instance.environment(), [
    'audit',
    'verify',
    ...written().flatMap((sink) => ['--sink', sink]),
  ]);
  const { code, output } = await verify.ended();
  expect({ code, output }).toMatchObject({ code: 0, output: expect.stringContaining('nothing found') });
}

test('a replica whose clock jumps an hour forth and back serves as before', async () => {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  const clock = await Clock.ofServer();
  onTestFinished(() => clock.close());
  const instance = new Instance(() => database.uri);
  const random = new Random("a replica's clock jumps");
  const sinks = ['right', 'wrong'].map((name) => join(clock.folder, name));
  // Limits are counted, as by default, by the minute.
  const common = (n: number) => ({ KMS_RATE_LIMITS: '', KMS_AUDIT_SINK: `file:${sinks[n]}` });
  const replicas = [instance.replica(common(0)), instance.replica({ ...common(1), ...clock.environment }, clock.flags)];
  const addresses = await Promise.all(replicas.map((server) => server.ready()));
  const [right, wrong] = addresses as [string, string];
  const { load, machine, list } = await busy(instance, addresses, random);
  const now = async (address: string) => Date.parse((await instance.send(address, 'GET', '/api/status')).body.date);

  for (const jump of [HOUR, 0, -HOUR, 0]) {
    const before = await instance.login(wrong, machine);
    clock.jump(jump);
    await expect.poll(async () => minutes((await now(wrong)) - Date.now())).toBe(jump / 60);
    await load.served(40);
    // Tokens of before and of now, whoever made them: the database's clock says how long they live.
    const made = [before, ...(await Promise.all(addresses.map((address) => instance.login(address, machine))))];
    for (const { authorization } of made) {
      for (const address of [right, wrong]) {
        const { status } = await instance.send(address, 'GET', list, undefined, { authorization });
        expect({ jump, status }).toEqual({ jump, status: 200 });
      }
    }
  }
  await load.stop();
  load.expectOnly(200);
  await load.settle(database.uri);
  await verified(instance, replicas, sinks);
});

describe.skipIf(noFaketime)(`the clock of the database${noFaketime ? ` (${noFaketime})` : ''}`, () => {
  test('a database whose clock jumps an hour forth and back loses nothing, and tokens go by it', async () => {
    const clock = await Clock.ofProgram();
    onTestFinished(() => clock.close());
    const postgres = await startPostgresBy(clock);
    onTestFinished(() => postgres.close());
    const instance = new Instance(() => postgres.uri);
    const random = new Random("the database's clock jumps");
    const sinks = [join(clock.folder, 'heads')];
    const server = instance.replica({ KMS_AUDIT_SINK: `file:${sinks[0]}` });
    const address = await server.ready();
    const sql = new pg.Client(postgres.uri);
    await sql.connect();
    const { load, machine, list } = await busy(instance, [address], random);
    const read = async (authorization: string) =>
      (await instance.send(address, 'GET', list, undefined, { authorization })).status;

    for (const jump of [HOUR, 0, -HOUR, 0]) {
      const { authorization } = await instance.login(address, machine);
      const earlier = (await sql.query('select clock_timestamp() as at')).rows[0].at;
      clock.jump(jump);
      const { rows } = await sql.query('select clock_timestamp() as at');
      expect(minutes(rows[0].at - Date.now())).toBe(jump / 60);
      await load.served(40);
      // An hour later a token of half an hour has ended; an hour earlier it has not.
      const ended = rows[0].at - earlier > (HOUR / 2) * 1000;
      expect({ jump, status: await read(authorization) }).toEqual({ jump, status: ended ? 401 : 200 });
      const next = await instance.login(address, machine);
      expect(await read(next.authorization)).toBe(200);
      expect((await instance.send(address, 'GET', '/api/status')).status).toBe(200);
    }
    await load.stop();
    load.expectOnly(200);
    await load.settle(postgres.uri);
    await sql.end();
    await verified(instance, [server], sinks);
  });
});
