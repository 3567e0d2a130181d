import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import { Database, isPooled } from '../../../server/database/database.ts';
import { freePort } from '../../../tools/cluster/free-ports.ts';
import { startServer, type TestServer } from '../../support/server.ts';

const noPooler = (() => {
  try {
    execFileSync('pgbouncer', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'skipped: no pgbouncer';
  }
})();

test.each([
  ['postgresql://kms@db/kms?pgbouncer=true', true],
  ['postgresql://kms@db/kms?pgbouncer=false', false],
  ['postgresql://kms@db/kms', false],
])('%s stands behind a pooler: %s', (uri, pooled) => expect(isPooled(uri)).toBe(pooled));

describe.skipIf(noPooler)(`behind PgBouncer in transaction mode${noPooler ? ` (${noPooler})` : ''}`, () => {
  let server: TestServer;
  let pooler: ChildProcess;
  let folder: string;
  let uri: string;

  beforeAll(async () => {
    server = await startServer();
    folder = await mkdtemp(join(tmpdir(), 'kms-pooler-'));
    await chmod(folder, 0o755);
    const port = await freePort();
    const own = new URL(server.database.uri);
    const target = `host=${own.hostname} port=${own.port} dbname=${server.database.name} user=${own.username} password=${own.password}`;
    const file = join(folder, 'pgbouncer.ini');
    await writeFile(
      file,
      `[databases]\n* = ${target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\n` +
        'auth_type = any\npool_mode = transaction\ndefault_pool_size = 3\nmax_client_conn = 200\n',
    );
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
    pooler = spawn('pgbouncer', [...user, file], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    for await (const text of pooler.stderr!.setEncoding('utf8')) {
      said += text;
      if (said.includes('process up')) break;
    }
    uri = `postgresql://kms:any@127.0.0.1:${port}/kms?pgbouncer=true`;
  });
  afterAll(async () => {
    if (pooler?.exitCode === null) {
      const ended = once(pooler, 'exit');
      pooler.kill('SIGTERM');
      await ended;
    }
    if (folder) await rm(folder, { recursive: true, force: true });
    await server?.close();
  });

  test('all of the server works on three shared connections', async () => {
    const app = await createApp({
      databaseUri: uri,
      rootKey: parseRootKey(server.secrets.rootKey),
      authSecret: parseAuthSecret(server.secrets.authSecret),
    });
    try {
      const project = await server.project('pooled');
      const headers = { authorization: `Bearer ${server.admin}` };
      const place = { projectId: project.id, environment: 'dev' };
      const made = await Promise.all(
        Array.from({ length: 30 }, (_, n) =>
          app.inject({
            method: 'POST',
            url: `/api/v4/secrets/KEY_${n}`,
            headers,
            payload: { ...place, secretValue: `value-${n}-of-the-pooler` },
          }),
        ),
      );
      expect(made.map(({ statusCode }) => statusCode)).toEqual(Array(30).fill(200));
      const url = `/api/v4/secrets?projectId=${project.id}&environment=dev`;
      const lists = await Promise.all(Array.from({ length: 60 }, () => app.inject({ url, headers })));
      for (const list of lists) expect(list.json().secrets).toHaveLength(30);
      expect((await app.inject('/api/status')).statusCode).toBe(200);
    } finally {
      await app.close();
    }
  });
});

test('an exhausted pool is a 503 that says when to come back, and recovers', async () => {
  const server = await startServer();
  try {
    const project = await server.project('gateway');
    await server.sql.query('begin');
    await server.sql.query('lock table projects in access exclusive mode');
    const change = () =>
      server.send('POST', '/api/v1/folders', {
        token: server.admin,
        body: { projectId: project.id, environment: 'dev', name: 'a-folder' },
      });
    const stuck = await Promise.all(Array.from({ length: 40 }, change));
    for (const { status, headers, body } of stuck) {
      expect([status, headers['retry-after'], body.error]).toEqual([503, '1', 'ServiceUnavailable']);
    }
    await server.sql.query('rollback');
    expect((await change()).status).toBe(200);
  } finally {
    await server.close();
  }
});

test('a pool without a free connection is told apart, and counted', async () => {
  const server = await startServer();
  const db = new Database({ uri: server.database.uri, connections: 1 });
  try {
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const holding = db.transaction(async () => {
      started.resolve();
      await release.promise;
    });
    await started.promise;
    const waiting = db.query({ name: 'one', text: 'select 1 as one' }, []);
    expect(db.connections).toEqual({ busy: 1, idle: 0, waiting: 1 });
    release.resolve();
    await holding;
    expect(await waiting).toEqual([{ one: 1 }]);
  } finally {
    await db.close();
    await server.close();
  }
});
