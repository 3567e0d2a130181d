import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRootKey } from '../../../keys/index.ts';
import { Attestor } from '../../../server/audit/attestor.ts';
import { Retention } from '../../../server/audit/retention.ts';
import { Sealer } from '../../../server/audit/sealer.ts';
import { openSink } from '../../../server/audit/sink.ts';
import { Unchanged } from '../../../server/audit/unchanged.ts';
import { Database } from '../../../server/database/database.ts';
import { openKeyring } from '../../../server/keyring/open.ts';
import { Outbound } from '../../../server/outbound/outbound.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { thorough } from '../../support/thorough.ts';
import { kinds, sinkFile, verify } from './evidence.ts';

let server: TestServer;
let project: { id: string };
let db: Database;
let sealer: Sealer;
let retention: Retention;
let sink: Awaited<ReturnType<typeof sinkFile>>;
const alerts: string[] = [];

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  db = new Database({ uri: server.database.uri, connections: 3 });
  sink = await sinkFile();
  const keyring = await openKeyring(db, parseRootKey(server.secrets.rootKey));
  const alert = (what: string) => void alerts.push(what);
  const warn = (error: unknown) => expect(error).toBeUndefined();
  const to = openSink(`file:${sink.path}`, new Outbound(), () => undefined);
  sealer = new Sealer({ db, keyring, sink: to, alert, warn });
  retention = new Retention({ db, keyring, sealer, attestor: new Attestor(keyring), alert });
});
afterAll(async () => {
  await db?.close();
  await sink?.remove();
  await server?.close();
});

const partitions = async () =>
  (
    await server.sql.query(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_log'::regclass order by 1`,
    )
  ).rows.map(({ name }) => name);

/** Seals everything, however long other databases of this Postgres hold it up. */
const seal = () =>
  expect
    .poll(
      async () => {
        await sealer.tick();
        return (await verify(server)).unsealed;
      },
      { timeout: 20_000 },
    )
    .toBe(0);

const inMonths = (months: number, day = 2) => {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, day));
};

test('records are kept for a year, and dropped by the month after it', async () => {
  await server.setSecrets(project.id, 'prod', { OLD: 'value', CHANGED: 'one' });
  await seal();
  const before = await partitions();
  // Twelve months and a day after this month's end it is over 365 days old; a moment before, it is not.
  expect(await retention.run(inMonths(12))).toEqual([]);
  expect(await partitions()).toEqual(before);
  const dropped = await retention.run(inMonths(13));
  expect(dropped).toHaveLength(1);
  expect(await partitions()).toEqual(before.filter((name) => name !== dropped[0]));
  await seal();
  expect(await verify(server, [sink.path])).toMatchObject({ findings: [], unsealed: 0 });
  const { rows } = await server.sql.query(`select note::jsonb as note from audit_batches where kind = 'checkpoint'`);
  expect(rows).toMatchObject([{ note: { dropped: dropped[0], rows: expect.any(Number) } }]);
});

test('an old value is found when its record has been dropped', async () => {
  await server.sql.query(`create table old as select * from secrets where key = 'OLD'`);
  await server.sql.query(`update secrets set sealed_comment = sealed_value where key = 'OLD'`);
  expect(kinds(await verify(server))).toEqual(['secret-changed']);
  await server.sql.query(`update secrets s set sealed_comment = o.sealed_comment from old o where o.id = s.id`);
  expect((await verify(server)).findings).toEqual([]);
});

test('a partition dropped without a checkpoint is found', async () => {
  await server.setSecrets(project.id, 'prod', { LATER: 'value' });
  await seal();
  const [name] = (await server.sql.query('select tableoid::regclass::text as name from audit_log limit 1')).rows;
  try {
    await server.sql.query(`alter table audit_log detach partition ${name.name}`);
    expect(kinds(await verify(server))).toContain('row-removed');
  } finally {
    await server.sql.query(`alter table audit_log attach partition ${name.name} default`).catch(() => undefined);
  }
});

test('what is not sealed is not dropped', async () => {
  await server.sql.query(`select ensure_audit_partition('2001-01-01')`);
  await server.sql.query(
    `insert into audit_log (at, action, event, outcome, actor_kind, request_id) values ('2001-01-05', 'read', 'late', 'allowed', 'identity', 'x')`,
  );
  const { rows } = await server.sql.query('select next::text from audit_sealer');
  expect(BigInt(rows[0].next)).toBeGreaterThan(0n);
  const dropped = await retention.run(new Date());
  expect(dropped).toEqual([]);
});

test('a longer time of one project keeps the records', async () => {
  await seal();
  await server.sql.query('update projects set audit_retention_days = 40000 where id = $1', [project.id]);
  expect(await retention.run(new Date())).toEqual([]);
  await server.sql.query('update projects set audit_retention_days = null');
  expect(await retention.run(new Date())).toEqual(['audit_log_2001_01']);
});

thorough('unchanged answers are counted, and one record an hour', async () => {
  const reader = await server.machine('poller', { projectId: project.id, roles: [{ role: 'viewer' }] });
  const url = `/api/v3/secrets/raw?workspaceId=${project.id}&environment=prod`;
  const first = await server.send('GET', url, { token: reader.token });
  const headers = { 'if-none-match': String(first.headers.etag) };
  const of = (kind: string) =>
    server.sql.query('select event, metadata from audit_log where actor_id = $1 and event like $2', [reader.id, kind]);
  const before = (await of('get-secrets')).rows.length;
  for (let n = 0; n < 20; n++)
    expect((await server.send('GET', url, { token: reader.token, headers })).status).toBe(304);
  expect((await of('get-secrets')).rows).toHaveLength(before);
  await expect
    .poll(
      async () => (await server.sql.query('select count from audit_unchanged where actor_id = $1', [reader.id])).rows,
      {
        timeout: 20_000,
      },
    )
    .toEqual([{ count: '20' }]);
  const counts = new Unchanged(db);
  await counts.record(new Date());
  expect((await of('%-unchanged')).rows).toEqual([]);
  await Promise.all([counts.record(new Date(Date.now() + 3_600_000)), counts.record(new Date(Date.now() + 3_600_000))]);
  expect((await of('%-unchanged')).rows).toMatchObject([{ event: 'get-secrets-unchanged', metadata: { count: 20 } }]);
  expect((await server.sql.query('select from audit_unchanged')).rows).toEqual([]);
});
