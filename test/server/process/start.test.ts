import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { thorough } from '../../support/thorough.ts';
import { killLeftovers, newSecrets, ServerProcess } from './server-process.ts';

const secrets = newSecrets();
let database: TestDatabase;
let environment: Record<string, string>;

beforeAll(async () => {
  database = await createDatabase({ empty: true });
  environment = { ...secrets, DB_CONNECTION_URI: database.uri };
});
afterEach(killLeftovers);
afterAll(() => database.drop());

const lines = (text: string) => text.trimEnd().split('\n');

async function refused(more: Record<string, string>, args: readonly string[] = []): Promise<string[]> {
  const { code, output } = await new ServerProcess({ ...environment, ...more }, args).ended();
  expect(code, output).toBe(1);
  return lines(output);
}

async function stop(server: ServerProcess): Promise<void> {
  server.signal('SIGTERM');
  expect(await server.ended()).toMatchObject({ code: 0, signal: null });
}

test('two servers start at once on an empty database', async () => {
  const servers = [new ServerProcess(environment), new ServerProcess(environment)];
  const addresses = await Promise.all(servers.map((server) => server.ready()));
  for (const address of addresses) {
    const response = await fetch(`${address}/api/status`);
    expect({ status: response.status, body: await response.json() }).toMatchObject({
      status: 200,
      body: { message: 'Ok', database: 'ok' },
    });
  }
  await Promise.all(servers.map(stop));
});

test('another root key is refused with both fingerprints', async () => {
  const wrong = newSecrets().ROOT_ENCRYPTION_KEY;
  const said = await refused({ ROOT_ENCRYPTION_KEY: wrong });
  expect(said).toHaveLength(1);
  const [found, needed] = said[0]!.match(/has the fingerprint (\S+), but .* made with (\S+);/)!.slice(1);
  const client = new pg.Client(database.uri);
  await client.connect();
  const { rows } = await client.query('select root_fingerprint from instance').finally(() => client.end());
  expect(needed).toBe(rows[0].root_fingerprint);
  expect(found).not.toBe(needed);
  for (const key of [wrong, secrets.ROOT_ENCRYPTION_KEY, Buffer.from(wrong, 'hex').toString('base64')]) {
    expect(said[0]).not.toContain(key);
    expect(said[0]).not.toContain(key.slice(0, 16));
  }
});

test('every problem of the configuration is named at once', async () => {
  const wrong = {
    ROOT_ENCRYPTION_KEY: 'not-a-root-key',
    AUTH_SECRET: 'not-an-auth-secret',
    DB_CONNECTION_URI: 'mysql://root:hunter2@db/kms',
    REDIS_URL: 'memcached://:hunter2@cache',
    PORT: 'eighty-eighty',
    SITE_URL: 'kms.hanzo.example',
    LOG_LEVEL: 'shouting',
    KMS_DRAIN_SECONDS: 'a-while',
    KMS_ALLOW_UNPROVEN_BOOTSTRAP: 'perhaps',
  };
  const said = await refused(wrong);
  for (const name of Object.keys(wrong)) {
    expect(said.filter((line) => line.startsWith(`kms-server: error: ${name} `))).toHaveLength(1);
  }
  expect(said).toHaveLength(Object.keys(wrong).length);
  for (const value of Object.values(wrong)) expect(said.join('\n')).not.toContain(value);
  expect(said.join('\n')).not.toContain('hunter2');
});

thorough('what is wrong with the database is one line', async () => {
  const wrong: { change: Partial<URL>; says: RegExp }[] = [
    { change: { port: '1' }, says: /the database cannot be reached \(ECONNREFUSED\); check DB_CONNECTION_URI$/ },
    { change: { password: 'hunter2' }, says: /refuses the user or password of DB_CONNECTION_URI \(28P01\)$/ },
    { change: { pathname: '/nowhere' }, says: /that DB_CONNECTION_URI names does not exist; create it first$/ },
  ];
  await Promise.all(
    wrong.map(async ({ change, says }) => {
      const uri = Object.assign(new URL(database.uri), change);
      const said = await refused({ DB_CONNECTION_URI: uri.href });
      expect(said).toEqual([expect.stringMatching(says)]);
      expect(said[0]).not.toContain(uri.password);
    }),
  );
});

thorough('metrics have a port of their own, and only when asked for', async () => {
  const server = new ServerProcess({ ...environment, KMS_METRICS_PORT: '0' });
  await server.ready();
  const address = /metrics on (http:\/\/127\.0\.0\.1:\d+\/metrics)/.exec(server.stderr)?.[1];
  const text = await (await fetch(address!)).text();
  expect(text).toContain('kms_event_loop_delay_seconds');
  for (const secret of Object.values(secrets)) expect(text).not.toContain(secret);
  await stop(server);
  await expect(fetch(address!)).rejects.toThrow();

  const silent = new ServerProcess(environment);
  await silent.ready();
  expect(silent.stderr).not.toContain('metrics on');
  await stop(silent);

  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  try {
    expect(await refused({ KMS_METRICS_PORT: String(port) })).toEqual([
      `kms-server: error: the metrics cannot listen on 127.0.0.1:${port} (EADDRINUSE); change KMS_METRICS_PORT or KMS_METRICS_HOST`,
    ]);
  } finally {
    holder.close();
  }
});

test('a taken port is said in one line', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  try {
    expect(await refused({ PORT: String(port) })).toEqual([
      `kms-server: error: port ${port} is taken by another program; set PORT to a free one`,
    ]);
  } finally {
    holder.close();
  }
});

test('a database that may lose commits is refused', async () => {
  const admin = new pg.Client(database.adminUri);
  await admin.connect();
  try {
    await admin.query(`alter database "${database.name}" set synchronous_commit = off`);
    expect(await refused({})).toEqual([
      expect.stringMatching(/^kms-server: error: .*synchronous_commit off.*; set it on$/),
    ]);
  } finally {
    await admin.query(`alter database "${database.name}" reset synchronous_commit`);
    await admin.end();
  }
});

test('migrate brings the schema and ends', async () => {
  const empty = await createDatabase({ empty: true });
  const run = () => new ServerProcess({ ...environment, DB_CONNECTION_URI: empty.uri }, ['migrate']).ended();
  expect(await run()).toMatchObject({ code: 0, output: expect.stringMatching(/^migrated: foundation/) });
  expect(await run()).toMatchObject({ code: 0, output: 'nothing to migrate\n' });
  await empty.drop();
});

test('--help tells the commands and needs no configuration', async () => {
  const { code, output } = await new ServerProcess(
    { ROOT_ENCRYPTION_KEY: '', AUTH_SECRET: '', DB_CONNECTION_URI: '' },
    ['--help'],
  ).ended();
  expect(code).toBe(0);
  for (const word of ['Usage: kms-server', 'serve', 'migrate', 'DB_CONNECTION_URI']) expect(output).toContain(word);
});

const linux = process.platform === 'linux';

// Without --disable-sigusr1, as a start by hand may forget it.
test.skipIf(!linux)('core dumps and SIGUSR1 show nothing of the memory', async () => {
  const server = new ServerProcess(environment, [], []);
  const address = await server.ready();
  const filter = readFileSync(`/proc/${server.child.pid}/coredump_filter`, 'utf8').trim();
  expect(Number.parseInt(filter, 16)).toBe(0);
  server.signal('SIGUSR1');
  // Node says where its inspector listens as soon as it does.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await fetch(`${address}/api/status`)).status).toBe(200);
  expect(server.stderr).not.toMatch(/debugger/i);
  expect(listeningSockets(server.child.pid!)).toHaveLength(1);
  await stop(server);
});

/** The listening TCP sockets that a process holds, by their inodes. */
function listeningSockets(pid: number): string[] {
  const LISTEN = '0A';
  const listening = readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .flatMap((fields) => (fields[3] === LISTEN ? [`socket:[${fields[9]}]`] : []));
  const held = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return listening.filter((socket) => held.includes(socket));
}
