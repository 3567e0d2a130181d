import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parseRootKey } from '../../../keys/index.ts';
import { ATTESTED } from '../../../server/audit/attested.ts';
import { COLUMNS } from '../../../server/audit/encoding.ts';
import { merkleRoot } from '../../../server/audit/merkle.ts';
import { auditRebase, auditVerify } from '../../../server/audit/verify/command.ts';
import type { Config } from '../../../server/config.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { thorough } from '../../support/thorough.ts';
import { settle, sinkFile, verify } from './evidence.ts';

let server: TestServer;
let project: { id: string };
let service: Machine;

beforeAll(async () => {
  server = await startServer({ sealEveryMs: 100 });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { API_KEY: 'a' });
  service = await server.machine('gateway-service', { projectId: project.id, roles: [{ role: 'admin' }] });
});
afterAll(() => server.close());

test.each(Object.entries(COLUMNS))('every column of %s is sealed', async (table, columns) => {
  const { rows } = await server.sql.query(
    `select attname::text as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
    [table],
  );
  expect(rows.map(({ name }) => name).sort()).toEqual([...columns].sort());
});

test('the triggers of attested tables are those that the server knows', async () => {
  const { rows } = await server.sql.query(
    `select c.relname::text as name, encode(t.tgargs, 'escape') as args from pg_trigger t join pg_class c on c.oid = t.tgrelid
      where t.tgname = 'attested' order by 1`,
  );
  expect(rows.map(({ name, args }) => [name, ...args.split('\\000').slice(0, 2)])).toEqual(
    [...ATTESTED]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, key, skipped }) => [name, key.join(','), expect.stringMatching(sameList(skipped))]),
  );
});

test('a trigger that looks at named columns alone names all that mean something', async () => {
  const { rows } = await server.sql.query<{ name: string; unnamed: string[] }>(
    `select c.relname::text as name, array_agg(a.attname::text) filter (where a.attnum <> all (t.tgattr)) as unnamed
       from pg_trigger t join pg_class c on c.oid = t.tgrelid
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where t.tgname = 'attested' and t.tgattr <> '' and c.relname <> 'access_tokens'
      group by c.relname`,
  );
  expect(rows.map(({ name }) => name).toSorted()).toEqual(['actors', 'client_secrets', 'projects']);
  for (const { name, unnamed } of rows)
    expect({ name, skipped: unnamed.toSorted() }).toEqual({
      name,
      skipped: [...ATTESTED.find((table) => table.name === name)!.skipped]
        .filter((column) => unnamed.includes(column))
        .sort(),
    });
});

const sameList = (list: readonly string[]) =>
  new RegExp(`^(?=.{${list.join(',').length}}$)${list.map((name) => `(?=.*\\b${name}\\b)`).join('')}`);

test.each([
  [[], 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  // RFC 6962's own examples begin with the hash of one empty leaf; ours are hashed already.
  [['00'], '00'.repeat(32)],
])('a tree of %j has the root of RFC 6962', (leaves, root) => {
  expect(merkleRoot(Buffer.from(leaves.map((byte) => byte.repeat(32)).join(''), 'hex')).toString('hex')).toBe(root);
});

thorough('a busy database is verified like a quiet one', async () => {
  const list = `/api/v3/secrets/raw?workspaceId=${project.id}&environment=prod`;
  // So much work and no more: a load that goes on while it is verified grows what is to be verified, the more the slower that is.
  const times = (count: number, work: (n: number) => Promise<unknown>) => async () => {
    for (let n = 0; n < count; n++) await work(n);
  };
  const reader = times(150, async () => {
    expect((await server.send('GET', list, { token: service.token })).status).toBe(200);
  });
  const writer = times(80, (n) => server.setSecrets(project.id, 'prod', { [`K${n}`]: 'x' }));
  const granter = times(40, (n) => server.machine(`busy-${n}`, { projectId: project.id, roles: [{ role: 'viewer' }] }));
  let busy = true;
  const load = Promise.all([reader(), reader(), writer(), granter()]).finally(() => {
    busy = false;
  });
  let rounds = 0;
  try {
    for (; busy; rounds++) expect((await verify(server)).findings).toEqual([]);
  } finally {
    await load;
  }
  expect(rounds).toBeGreaterThan(1);
  await settle(server);
  expect(await verify(server)).toMatchObject({ findings: [], unsealed: 0 });
});

test('a transaction that commits late is sealed, and not passed over', async () => {
  await settle(server);
  const insert = `insert into audit_log (action, event, outcome, actor_kind, request_id)
                  values ('read', 'late', 'allowed', 'identity', 'req-late') returning id`;
  await server.sql.query('begin');
  const { rows } = await server.sql.query(insert);
  for (let n = 0; n < 5; n++) await server.send('GET', '/api/v1/workspace', { token: service.token });
  await server.sql.query('commit');
  await settle(server);
  const report = await verify(server);
  expect(report).toMatchObject({ findings: [], unsealed: 0 });
  const { rows: sealed } = await server.sql.query(
    'select number from audit_batches b join audit_log l on l.xid >= b.first and l.xid < b.until where l.id = $1',
    [rows[0].id],
  );
  expect(sealed).toHaveLength(1);
});

test('records of a database made from a dump are numbered after the old ones', async () => {
  await settle(server);
  const position = async () => BigInt((await server.sql.query('select audit_position()::text as at')).rows[0].at);
  const config = { DB_CONNECTION_URI: server.database.uri } as Config;
  const before = await position();
  await quietly(() => auditRebase(config));
  expect((await position()) - before).toBeLessThan(100_000n);
  // As in a new database whose transactions begin at a low number.
  const far = before + 5_000_000n;
  await server.sql.query('update audit_sealer set next = $1::xid8', [String(far)]);
  await quietly(() => auditRebase(config));
  expect(await position()).toBeGreaterThan(far);
  await server.setSecrets(project.id, 'prod', { AFTER: 'x' });
  await settle(server);
  const { rows } = await server.sql.query(
    'select max(number) as last, count(*)::int as count from audit_batches where first >= $1::xid8',
    [String(far)],
  );
  expect(rows[0].count).toBeGreaterThan(0);
});

test('the command tells by its exit code what was found', async () => {
  const config = {
    DB_CONNECTION_URI: server.database.uri,
    ROOT_ENCRYPTION_KEY: parseRootKey(server.secrets.rootKey),
  } as Config;
  // The test before moved the numbering as only an intruder would, which the chain of the batches shows.
  await server.sql.query(`update actors set instance_admin = true where id = $1`, [service.id]);
  const { result, text } = await quietly(() => auditVerify(config, { sink: [], json: true }));
  expect(result).toBe(3);
  expect(JSON.parse(text).findings).toContainEqual(
    expect.objectContaining({ kind: 'grant-unattested', table: 'actors', row: service.id }),
  );
  await expect(auditVerify({} as Config, { sink: [] })).rejects.toThrow('DB_CONNECTION_URI is not set');
  const missing = '/nowhere/heads.ndjson';
  await expect(quietly(() => auditVerify(config, { sink: [missing] }))).rejects.toThrow(
    `"${missing}" cannot be read (ENOENT); check --sink`,
  );
});

/** Runs a command, and keeps what it says. */
async function quietly<Result>(command: () => Promise<Result>): Promise<{ result: Result; text: string }> {
  let text = '';
  const spies = [process.stdout, process.stderr].map((stream) =>
    vi.spyOn(stream, 'write').mockImplementation((chunk) => {
      if (stream === process.stdout) text += chunk;
      return true;
    }),
  );
  try {
    return { result: await command(), text };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

test('a server that stops waits a moment for transactions that began before its last ones', async () => {
  const stopping = await startServer({ sealEveryMs: 3_600_000 });
  const other = new pg.Client({ connectionString: stopping.database.uri });
  try {
    await other.connect();
    await other.query('begin');
    await other.query('select pg_current_xact_id()');
    await stopping.project('gateway');
    const sealed = async () =>
      (
        await stopping.sql.query(
          'select number::int, (select count(*)::int from audit_log where xid >= next) as open from audit_sealer',
        )
      ).rows[0];
    const stopped = stopping.app.close();
    // It sealed what came before the other one, and is held up.
    await expect.poll(async () => (await sealed()).number).toBeGreaterThan(0);
    expect((await sealed()).open).toBeGreaterThan(0);
    await other.query('rollback');
    await stopped;
    expect((await sealed()).open).toBe(0);
  } finally {
    await other.end();
    await stopping.close();
  }
});

test('a server that stops seals and exports what is there', async () => {
  const sink = await sinkFile();
  // Its next look would come in an hour.
  const stopping = await startServer({ auditSink: `file:${sink.path}`, sealEveryMs: 3_600_000 });
  try {
    await stopping.project('gateway');
    await stopping.app.close();
    const { rows } = await stopping.sql.query(
      `select number::int, exported::int, (select count(*)::int from audit_log where xid >= next) as open from audit_sealer`,
    );
    expect(rows).toEqual([{ number: expect.any(Number), exported: rows[0].number, open: 0 }]);
    expect(rows[0].number).toBeGreaterThan(0);
    const heads = (await readFile(sink.path, 'utf8')).trim().split('\n');
    expect(heads).toHaveLength(rows[0].number);
  } finally {
    await stopping.close();
    await sink.remove();
  }
});
