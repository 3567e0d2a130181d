import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../../server/config.ts';
import { asRefusal, Database } from '../../../server/database/database.ts';
import { migrate } from '../../../server/database/migrate.ts';
import { RedisCounter } from '../../../server/limits/redis.ts';
import { type Certificate, newAuthority } from '../../support/certificates.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { OwnPostgres } from '../../support/own-postgres.ts';
import { noRedis, TestRedis } from '../../support/redis.ts';
import { newSecrets, ServerProcess } from './server-process.ts';

/** The server as a client of what it stands on: it speaks to nobody whose certificate is not vouched for, under that very name. */

const authority = newAuthority();
const stranger = newAuthority('Another CA');
const client = authority.issue('kms');
const ONE = { name: 'one', text: 'select ssl from pg_stat_ssl where pid = pg_backend_pid()' };

let folder: string;
/** Writes a file that only its owner may read, and tells where. */
function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
}
const files = ({ cert, key }: Certificate, name: string) => ({
  cert: file(`${name}.crt`, cert),
  key: file(`${name}.key`, key),
});
let own: { cert: string; key: string };
let ca: { ours: string; theirs: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-tls-'));
  chmodSync(folder, 0o711);
  ca = { ours: file('ours.pem', authority.cert), theirs: file('theirs.pem', stranger.cert) };
  own = files(client, 'client');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('Postgres', () => {
  let postgres: OwnPostgres;
  let plain: TestDatabase;

  beforeAll(async () => {
    plain = await createDatabase();
    postgres = await OwnPostgres.start();
    const data = join(postgres.dataDir, 'postgres/data');
    const owner = statSync(data);
    const place = join(folder, 'postgres');
    mkdirSync(place, { mode: 0o711 });
    const { cert, key } = authority.issue('localhost');
    for (const [name, content] of Object.entries({ 'server.crt': cert, 'server.key': key, 'ca.pem': authority.cert })) {
      const path = file(`postgres/${name}`, content);
      chownSync(path, owner.uid, owner.gid);
    }
    writeFileSync(
      join(data, 'pg_hba.conf'),
      'hostssl kms kms all scram-sha-256 clientcert=verify-ca\nhost all postgres all scram-sha-256\n',
    );
    const admin = new pg.Client(postgres.adminUri);
    await admin.connect();
    for (const [name, value] of [
      ['ssl_cert_file', 'server.crt'],
      ['ssl_key_file', 'server.key'],
      ['ssl_ca_file', 'ca.pem'],
    ]) {
      await admin.query(`alter system set ${name} = '${join(place, value!)}'`);
    }
    await admin.query('alter system set ssl = on');
    await admin.query('select pg_reload_conf()');
    await admin.end();
  });
  afterAll(async () => {
    await postgres?.close();
    await plain?.drop();
  });

  function uriOf(parameters: Record<string, string>, { host = 'localhost', database = 'kms' } = {}): string {
    const uri = new URL(postgres.uri);
    uri.hostname = host;
    uri.pathname = database;
    for (const [name, value] of Object.entries(parameters)) uri.searchParams.set(name, value);
    return uri.href;
  }
  async function ask(uri: string): Promise<unknown> {
    const db = new Database({ uri, connections: 1 });
    try {
      return await db.query(ONE, []);
    } finally {
      await db.close();
    }
  }
  const full = () => ({ sslmode: 'verify-full', sslrootcert: ca.ours });
  const withClient = () => ({ ...full(), sslcert: own.cert, sslkey: own.key });

  test('is spoken to by TLS, with a certificate of the server on both sides', async () => {
    await expect.poll(() => ask(uriOf(withClient())).catch(String), { timeout: 10_000 }).toEqual([{ ssl: true }]);
    await migrate(uriOf(withClient()));
  });

  test.each<{ name: string; uri: () => string; error: object }>([
    {
      name: 'of another authority',
      uri: () => uriOf({ ...withClient(), sslrootcert: ca.theirs }),
      error: { code: expect.stringMatching(/^(UNABLE_TO_|SELF_SIGNED_)/) },
    },
    {
      name: 'that no authority of this machine knows',
      uri: () => uriOf({ sslmode: 'verify-full', sslcert: own.cert, sslkey: own.key }),
      error: { code: expect.stringMatching(/^(UNABLE_TO_|SELF_SIGNED_)/) },
    },
    {
      name: 'for another name',
      uri: () => uriOf(withClient(), { host: '127.0.0.1' }),
      error: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    },
  ])('with a certificate $name is not spoken to', async ({ uri, error }) => {
    const fault = await ask(uri()).catch((caught: unknown) => caught);
    expect(fault).toMatchObject(error);
    // Whoever asks the server meanwhile is told that it cannot serve now, and not that the server has a fault.
    expect(asRefusal(fault)).toMatchObject({ kind: 'unavailable', message: 'the database is not available' });
    await expect(migrate(uri())).rejects.toMatchObject(error);
  });

  test('that has no TLS is not spoken to', async () => {
    const uri = new URL(plain.uri);
    uri.search = new URLSearchParams(full()).toString();
    const fault = await ask(uri.href).catch((caught: unknown) => caught);
    expect(fault).toMatchObject({ message: 'The server does not support SSL connections' });
    expect(asRefusal(fault)).toMatchObject({ kind: 'unavailable' });
  });

  test('is held to an authority that is named by a file, whatever the URI says', async () => {
    const { sslcert, sslkey } = withClient();
    const read = (uri: string, authorityFile: string) =>
      readConfig({ ...newSecrets(), DB_CONNECTION_URI: uri, DB_CA_FILE: authorityFile }).DB_CONNECTION_URI!;
    const careless = uriOf({ sslmode: 'no-verify', sslcert, sslkey });
    expect(await ask(read(careless, ca.ours))).toEqual([{ ssl: true }]);
    await expect(ask(read(careless, ca.theirs))).rejects.toMatchObject({
      code: expect.stringMatching(/^(UNABLE_TO_|SELF_)/),
    });
    await expect(ask(read(plain.uri, ca.ours))).rejects.toThrow('The server does not support SSL connections');
  });

  test('that wants a certificate of its clients refuses who has none', async () => {
    await expect(ask(uriOf(full()))).rejects.toMatchObject({ code: '28000' });
  });

  test('that wants TLS refuses who speaks without', async () => {
    await expect(ask(uriOf({}))).rejects.toMatchObject({ code: '28000' });
  });
});

describe('the server itself', () => {
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createDatabase();
    const pair = files(authority.issue('localhost', '127.0.0.1'), 'itself');
    server = new ServerProcess({
      ...{ ...newSecrets(), DB_CONNECTION_URI: database.uri },
      ...{ TLS_CERT_FILE: pair.cert, TLS_KEY_FILE: pair.key },
    });
  });
  afterAll(async () => {
    server.signal('SIGTERM');
    await server.ended();
    await database.drop();
  });

  test('answers by TLS 1.3 to whoever trusts its authority', async () => {
    const address = new URL(await server.ready());
    expect(address.protocol).toBe('https:');
    const answer = (options: object) =>
      new Promise<{ status?: number; protocol: string | null }>((resolve, reject) => {
        const asked = request(new URL('/api/status', address), options, (response) => {
          response.resume();
          resolve({ status: response.statusCode!, protocol: (response.socket as TLSSocket).getProtocol() });
        });
        asked.on('error', reject).end();
      });
    expect(await answer({ ca: authority.cert })).toEqual({ status: 200, protocol: 'TLSv1.3' });
    await expect(answer({ ca: stranger.cert })).rejects.toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    await expect(answer({ ca: authority.cert, maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });
});

/** Why Redis with TLS is not tried here, if so. */
const noTls =
  noRedis ??
  (/ssl|crypto/.test(execFileSync('sh', ['-c', 'ldd "$(command -v redis-server)" || true'], { encoding: 'utf8' }))
    ? undefined
    : 'skipped: this redis-server speaks no TLS');

describe.skipIf(noTls)(`Redis${noTls ? ` (${noTls})` : ''}`, () => {
  let redis: TestRedis;

  beforeAll(async () => {
    const pair = files(authority.issue('localhost'), 'redis');
    redis = await TestRedis.start((port) => [
      ...['--port', '0', '--tls-port', String(port)],
      ...['--tls-cert-file', pair.cert, '--tls-key-file', pair.key, '--tls-ca-cert-file', ca.ours],
    ]);
  });
  afterAll(() => redis?.close());

  /** The state as the server sees it, and what it logged. */
  async function connectTo(host: string, parameters: Record<string, string>) {
    const logged: unknown[] = [];
    const note = (details: object) => void logged.push(details);
    const url = `rediss://${host}:${redis.port}?${new URLSearchParams(parameters)}`;
    const counter = new RedisCounter(url, { warn: note, info: note });
    onTestFinished(() => counter.close());
    await expect.poll(() => logged.length, { timeout: 5_000 }).toBeGreaterThan(0);
    return { state: counter.state, logged, total: await counter.add([{ key: 'requests', by: 2 }]) };
  }
  const trusted = () => ({ sslrootcert: ca.ours, sslcert: own.cert, sslkey: own.key });

  test('counts by TLS, with a certificate on both sides', async () => {
    expect(await connectTo('localhost', trusted())).toMatchObject({ state: 'ok', total: [2] });
  });

  test.each<{ name: string; host: string; parameters: () => Record<string, string>; code: unknown }>([
    {
      name: 'a certificate of another authority',
      host: 'localhost',
      parameters: () => ({ ...trusted(), sslrootcert: ca.theirs }),
      code: expect.stringMatching(/^(UNABLE_TO_|SELF_SIGNED_)/),
    },
    {
      name: 'a certificate for another name',
      host: '127.0.0.1',
      parameters: trusted,
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    },
  ])('with $name is told nothing', async ({ host, parameters, code }) => {
    expect(await connectTo(host, parameters())).toEqual({ state: 'unavailable', logged: [{ code }], total: undefined });
  });

  test('that wants a certificate of its clients is away for who has none', async () => {
    expect(await connectTo('localhost', { sslrootcert: ca.ours })).toMatchObject({ state: 'unavailable' });
  });
});
