import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AuditKeys,
  clientSecretMac,
  isBrokenSeal,
  newClientSecret,
  parseRootKey,
  SealBroken,
  serviceTokenOf,
  wrapKey,
} from '../../../keys/index.ts';
import { attestationMac } from '../../../server/audit/attestor.ts';
import { asHead, signedHead } from '../../../server/audit/head.ts';
import { readBatches } from '../../../server/audit/seal-store.ts';
import { verifyAudit } from '../../../server/audit/verify/verify.ts';
import { writtenMac } from '../../../server/audit/written.ts';
import { openKeyring } from '../../../server/keyring/open.ts';
import { opensUnder } from '../../../server/keyring/roots.ts';
import { rotateLeaked } from '../../../server/rotation/leaked.ts';
import { retireMacKeys } from '../../../server/rotation/mac-keys.ts';
import { keysStatus, tell } from '../../../server/rotation/status.ts';
import { invitePerson, type Person } from '../../support/person.ts';
import { kinds, Seeded, settle, sinkFile } from '../audit/evidence.ts';
import { load, newKey, Rig } from './rig.ts';

/** Somebody has a copy of the database and the root key of then, and writes the database of today, whose root key is another. */

const next = newKey();
let rig: Rig;
let sink: Awaited<ReturnType<typeof sinkFile>>;
let sealing: { auditSink: string; sealEveryMs: number };
let ada: Person;
let used: Awaited<ReturnType<Rig['server']['machine']>>;
let idle: typeof used;
let serviceToken: string;
/** What the copy holds, opened with the root key that leaked. */
let copy: { audit: AuditKeys; mac: Parameters<typeof clientSecretMac>[0]; instanceId: string };
let keptSecret: Record<string, any>;
let boundary: { number: number; first: string };
let seeded: Seeded;

const former = () => parseRootKey(rig.server.secrets.rootKey);
const root = () => parseRootKey(next);
const both = () => ({ rootKey: root(), previousRootKey: former(), ...sealing });
const rows = async (sql: string, values: unknown[] = []) => (await rig.server.sql.query(sql, values)).rows;
const login = (machine: { clientId: string; clientSecret: string }, app?: FastifyInstance) => {
  const { clientId, clientSecret } = machine;
  const payload = { clientId, clientSecret };
  return (app ?? rig.server.app).inject({ method: 'POST', url: '/api/v1/auth/universal-auth/login', payload });
};
const refresh = () => ada.send('POST', '/api/v1/auth/token');
const readBy = (token: string) =>
  rig.server.send('GET', `/api/v3/secrets/raw?workspaceId=${rig.project.id}&environment=dev`, { token });

beforeAll(async () => {
  sink = await sinkFile();
  sealing = { auditSink: `file:${sink.path}`, sealEveryMs: 50 };
  rig = await Rig.start({ ...sealing, people: false });
  const { server } = rig;
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['service-token'] } });
  ({ serviceToken } = await server.do('POST', '/api/v2/service-token', {
    body: {
      ...{ name: 'a token', workspaceId: rig.project.id, permissions: ['read'] },
      scopes: [{ environment: 'dev', secretPath: '/' }],
    },
  }));
  ada = await invitePerson(server, 'ada@hanzo.ai');
  await server.do('POST', `/api/v1/projects/${rig.project.id}/memberships`, {
    body: { emails: ['ada@hanzo.ai'], roleSlugs: ['developer'] },
  });
  await server.do('POST', '/api/v4/secrets/B', {
    token: await ada.enter(),
    body: { projectId: rig.project.id, environment: 'dev', secretValue: 'my own', type: 'personal' },
  });
  await ada.setUpMfa();
  used = await server.machine('used', { projectId: rig.project.id, roles: [{ role: 'developer' }] });
  idle = await server.machine('idle', { projectId: rig.project.id, roles: [{ role: 'developer' }] });
  const { keyring } = await rig.rotation();
  copy = { audit: keyring.audit, mac: keyring.clientSecretMacKey, instanceId: keyring.instanceId };
  [keptSecret] = (await rows(`select * from secrets where key = 'OTHER'`)) as [Record<string, any>];
  for (const table of ['instance_keys', 'project_keys']) await rows(`create table former_${table} as table ${table}`);
  expect([(await readBy(serviceToken)).status, (await refresh()).status]).toEqual([200, 200]);
  await server.app.close();
  Object.assign(server, { app: await rig.replica({ ...both(), replicas: { name: 'one' } }) });
  const second = await rig.replica(both());
  const running = load(rig, [server.app, second]);
  const on = await rig.rotation(next, server.secrets.rootKey);
  await rotateLeaked(on, { root: root(), previous: former() });
  expect(await running.stop()).toBeGreaterThan(0);
}, 60_000);
afterAll(async () => {
  await rig?.close();
  await sink?.remove();
});

describe('after a root key leaked', () => {
  test('no key that it could have opened is left in force', async () => {
    const keys = await rows('select purpose, version, wrapped from instance_keys order by 1');
    expect(keys.map(({ purpose, version }) => `${purpose} ${version}`)).toEqual([
      'audit-signing 2',
      'client-secret-mac 2',
      'client-secret-mac-former 1',
      'config 2',
    ]);
    expect(await rows('select version from project_keys')).toEqual([{ version: 2 }]);
    const { keyring } = await rig.rotation(next);
    const status = await keysStatus({ db: rig.db, keyring, root: root(), previous: former() });
    expect(status.wraps).toEqual({ underNew: 5, underFormer: 0, broken: [] });
    expect(status.statements).toEqual({ byVersion: [{ version: 2, rows: expect.any(Number) }], byNobody: 0 });
    expect(status.statements.byVersion[0]!.rows).toBeGreaterThan(20);
    expect(tell(status)).toMatch(
      /\d+ rows that grant access or hold secrets are vouched for by version 2 of the audit's key/,
    );
    expect(rig.said.join('\n')).toMatch(/0 by a former one, 0 by none/);
  });

  test('no former key was ever wrapped under the new root but for recognizing', async () => {
    const moved = await rows('select purpose, version, wrapped from instance_keys where version = 1');
    const context = { id: copy.instanceId, version: 1 };
    expect(opensUnder(root(), 'wrap-client-secret-mac-key', moved[0].wrapped, context)).toBe(false);
    for (const { version, wrapped, project_id: id } of await rows('select * from former_project_keys')) {
      expect(opensUnder(root(), 'wrap-project-key', wrapped, { id, version })).toBe(false);
    }
  });

  test('the audit goes on, vouched for by both keys where one took over', async () => {
    await settle(rig.server);
    const report = await verifyAudit({
      db: rig.db,
      keyring: (await rig.rotation(next)).keyring,
      sinks: [sink.path],
    });
    expect(report).toMatchObject({ findings: [], more: 0 });
    expect(report.heads).toBeGreaterThanOrEqual(report.batches);
    [boundary] = (await rows(`select number::int, first::text from audit_batches where note like '{"handover":%'`)) as [
      typeof boundary,
    ];
    const versions = await rows(
      'select key_version as v, min(number)::int as first from audit_batches group by 1 order by 1',
    );
    expect(versions.map(({ v }) => v)).toEqual([1, 2]);
    expect(await rows('select 1 from audit_batches where number >= $1 and key_version = 1', [boundary.number])).toEqual(
      [],
    );
    const lines = (await readFile(sink.path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(new Set(lines.map(({ keyFingerprint }) => keyFingerprint)).size).toBe(2);
    expect(lines.find(({ number }) => number === 1).keyFingerprint).toBe(copy.audit.fingerprint);
  });

  test('client secrets go on, and are known by the new key once they are used', async () => {
    const macs = () =>
      rows('select mac, mac_key_version as v from client_secrets where id = $1', [used.clientSecretId]);
    const [before] = await macs();
    expect(before.v).toBe(1);
    expect((await login(used)).statusCode).toBe(200);
    const [after] = await macs();
    expect([after.v, after.mac.equals(before.mac)]).toEqual([2, false]);
    expect((await login(used)).statusCode).toBe(200);
    const made = await rig.server.machine('made since');
    expect((await login({ clientId: used.clientId, clientSecret: made.clientSecret })).statusCode).toBe(401);
  });

  test.each<{ name: string; mint: () => Promise<number> | number }>([
    { name: 'a refresh token from before', mint: async () => (await refresh()).status },
    { name: 'a service token from before', mint: async () => (await readBy(serviceToken)).status },
    {
      name: 'a service token made up with the former key',
      mint: async () => (await readBy(serviceTokenOf(copy.mac, serviceToken.split('.')[1]!))).status,
    },
    {
      name: 'a client secret put in with a MAC by the former key',
      mint: async () => {
        const clientSecret = newClientSecret();
        await rows('begin');
        await rows(
          `insert into client_secrets (universal_auth_id, mac, prefix, description, ttl, num_uses_limit, mac_key_version)
           select universal_auth_id, $2, 'st.mine', '', 0, 0, 1 from client_secrets where id = $1`,
          [idle.clientSecretId, clientSecretMac(copy.mac, clientSecret)],
        );
        const [{ n, xid, tab, rowId, columns, digest }] = await rows(
          `select n::text, xid::text, tab, row_id as "rowId", columns, digest from audit_attestations a order by a.n desc limit 1`,
        );
        const mac = attestationMac(copy.audit.attesting, { n, xid, tab, rowId, columns, digest });
        await rows('update audit_attestations set mac = $2 where n = $1', [n, mac]);
        await rows('commit');
        const { statusCode } = await login({ clientId: idle.clientId, clientSecret });
        const records = await rows(`select metadata from audit_log where actor_id = $1 and outcome = 'refused'`, [
          idle.id,
        ]);
        expect(records).toContainEqual({ metadata: { reason: 'unattested' } });
        await rows(`delete from client_secrets where prefix = 'st.mine'`);
        return statusCode;
      },
    },
  ])('$name is refused', async ({ mint }) => {
    expect(await mint()).toBe(401);
  });

  test('a former key of client secrets is retired when none needs it, or all that need it are to end', async () => {
    const on = await rig.rotation(next);
    await retireMacKeys(on, { end: false });
    expect(rig.said.at(-1)).toMatch(
      /^version 1 of the key of client secrets stays: \d+ client secrets have not logged in since$/,
    );
    await retireMacKeys(on, { end: true });
    expect(await rows(`select 1 from instance_keys where purpose = 'client-secret-mac-former'`)).toEqual([]);
    const [{ now }] = await rows('select clock_timestamp() as now');
    await expect.poll(() => rows('select 1 from replicas where seen_at <= $1', [now])).toEqual([]);
    expect((await login(idle)).statusCode).toBe(401);
    expect((await login(used)).statusCode).toBe(200);
  });

  test('a server starts with the new root key alone', async () => {
    const alone = await rig.replica({ rootKey: root(), replicas: { name: 'three' } });
    expect(await rig.values(alone)).toMatchObject({ B: 'kept', OTHER: 'other' });
    await alone.close();
  });
});

describe('whoever has the leaked key and writes the database', () => {
  beforeAll(async () => {
    await settle(rig.server);
    await rig.stop();
    await rig.server.sql.end();
    Object.assign(rig.server.secrets, { rootKey: next });
    seeded = new Seeded(rig.server);
  });

  test('leaves nothing to be found by doing nothing', async () => {
    expect(await seeded.tampered(async () => undefined, [sink.path])).toMatchObject({ findings: [], more: 0 });
  });

  const putBack = async (sql: pg.Client) => {
    await sql.query('insert into project_keys select * from former_project_keys');
    await sql.query('update secrets set sealed_value = $2, key_version = 1 where id = $1', [
      keptSecret.id,
      keptSecret.sealed_value,
    ]);
  };
  /** A record of a write as the server makes them, by the former key. */
  const forgeRecord = async (sql: pg.Client, xid?: string) => {
    const { rows: found } = await sql.query(
      `select encode(sha256($2), 'hex') as "sealedHash", version from secrets where id = $1`,
      [keptSecret.id, keptSecret.sealed_value],
    );
    const stated = { secretId: keptSecret.id, version: found[0].version, sealedHash: found[0].sealedHash };
    const mac = writtenMac(copy.audit.attesting, { ...stated, deleted: false, commentHash: null });
    await sql.query(
      `insert into audit_log (action, event, outcome, actor_kind, request_id, secret_key, metadata, xid)
       values ('update', 'update-secret', 'allowed', 'identity', 'req-forged', 'OTHER', $1, coalesce($2::xid8, audit_position()))`,
      [{ ...stated, mac }, xid ?? null],
    );
  };
  /** Makes a machine an admin, and attests that by the former key. */
  const forgeGrant = async (sql: pg.Client, xid?: string) => {
    const mine = 'mac is null and row_id = $1';
    await sql.query('update actors set instance_admin = true where id = $1', [idle.id]);
    await sql.query(`update audit_attestations set xid = coalesce($2::xid8, xid) where ${mine}`, [
      idle.id,
      xid ?? null,
    ]);
    const { rows: found } = await sql.query(
      `select n::text, xid::text, tab, row_id as "rowId", columns, digest from audit_attestations where ${mine}`,
      [idle.id],
    );
    for (const row of found) {
      await sql.query('update audit_attestations set mac = $2 where n = $1', [
        row.n,
        attestationMac(copy.audit.attesting, row),
      ]);
    }
  };
  const keysPutBack = async (sql: pg.Client, purpose: string) => {
    await sql.query('delete from instance_keys where purpose = $1', [purpose]);
    await sql.query('insert into instance_keys select * from former_instance_keys where purpose = $1', [purpose]);
  };
  /** Seals anew with the former key from a batch on. */
  const sealAnew = async (sql: pg.Client, from: number, until: number) => {
    const db = {
      query: async (statement: { text: string }, values: unknown[]) => (await sql.query(statement.text, values)).rows,
    };
    let previous: Buffer | undefined;
    for (const row of await readBatches(db as never, from - 1, until - from + 1)) {
      const head = asHead(row, copy.instanceId, copy.audit);
      const again = signedHead(copy.audit, {
        ...head,
        keyVersion: 1,
        previous: previous ?? head.previous,
        replica: 'forged',
      });
      await sql.query(
        'update audit_batches set replica = $2, key_version = 1, previous = $3, hash = $4, signature = $5 where number = $1',
        [row.number, 'forged', again.previous, again.hash, again.signature],
      );
      previous = again.hash;
    }
  };

  test.each<{ name: string; work: (sql: pg.Client) => Promise<unknown>; found: string[]; orMore?: true }>([
    { name: 'an old value put back', work: putBack, found: ['secret-changed'] },
    {
      name: 'an old value put back with a record by the former key',
      work: async (sql) => {
        await putBack(sql);
        await forgeRecord(sql);
      },
      found: ['secret-unrecorded'],
    },
    {
      name: 'such a record dated before the key was replaced',
      work: async (sql) => {
        await putBack(sql);
        await sql.query(`delete from audit_log where metadata ->> 'secretId' = $1 and xid >= $2::xid8`, [
          keptSecret.id,
          boundary.first,
        ]);
        await forgeRecord(sql, String(BigInt(boundary.first) - 1n));
      },
      found: ['row-inserted', 'secret-unrecorded'],
      orMore: true,
    },
    { name: 'a grant attested by the former key', work: forgeGrant, found: ['grant-unattested'] },
    {
      name: 'such a grant dated before the key was replaced',
      work: (sql) => forgeGrant(sql, String(BigInt(boundary.first) - 1n)),
      found: ['grant-unattested', 'row-inserted'],
    },
    {
      name: 'such a grant when the former key is in the table again, by some copy under the new root',
      work: async (sql) => {
        await forgeGrant(sql);
        const context = { id: copy.instanceId, version: 1 };
        await sql.query(`insert into instance_keys (purpose, version, wrapped) values ('audit-signing', 1, $1)`, [
          wrapKey(root(), 'wrap-audit-signing-key', copy.audit.signing, context),
        ]);
      },
      found: ['grant-unattested'],
    },
    {
      name: 'a batch after the handover sealed anew with the former key',
      work: async (sql) => {
        const [last] = (await sql.query('select max(number)::int as number from audit_batches')).rows;
        await sealAnew(sql, last.number, last.number);
      },
      found: ['key-ended'],
    },
    {
      name: 'the audit before the handover sealed anew with the former key',
      work: (sql) => sealAnew(sql, 2, boundary.number - 1),
      found: ['batch-changed'],
    },
    {
      name: 'everything from the handover on cut off',
      work: async (sql) => {
        await sql.query('delete from audit_log where xid >= $1::xid8', [boundary.first]);
        await sql.query('delete from audit_manifests where xid >= $1::xid8', [boundary.first]);
        await sql.query('delete from audit_attestations where xid >= $1::xid8', [boundary.first]);
        await sql.query('delete from audit_batches where number >= $1', [boundary.number]);
      },
      found: ['batch-changed', 'grant-unattested'],
      orMore: true,
    },
  ])('is found over $name', async ({ work, found, orMore }) => {
    const report = await seeded.tampered(work);
    // What else is found depends on what was written just before.
    expect(kinds(report)).toEqual(orMore ? expect.arrayContaining(found) : found);
  });

  test('a cut tail is found by the exported heads', async () => {
    const cut = (sql: pg.Client) => sql.query('delete from audit_batches where number > $1', [boundary.number]);
    expect(kinds(await seeded.tampered(cut, [sink.path]))).toContain('tail-cut');
  });

  test.each(['audit-signing', 'client-secret-mac', 'config'])(
    'puts no former key %s back: no server starts on it',
    async (purpose) => {
      const opened = seeded.tampered((sql) => keysPutBack(sql, purpose));
      await expect(opened).rejects.toThrow(SealBroken);
      await expect(opened).rejects.toSatisfy(isBrokenSeal);
    },
  );

  test('opens nothing that a former key of a project sealed', async () => {
    const keyring = await openRigKeyring();
    const [row] = (await withSql((sql) => sql.query('select * from former_project_keys'))).rows;
    expect(() => keyring.dataKey(row.project_id, 1, row.wrapped)).toThrow(SealBroken);
  });
});

async function withSql<Result>(work: (sql: pg.Client) => Promise<Result>): Promise<Result> {
  const { default: postgres } = await import('pg');
  const sql = new postgres.Client(rig.server.database.uri);
  await sql.connect();
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

async function openRigKeyring() {
  const { Database } = await import('../../../server/database/database.ts');
  const db = new Database({ uri: rig.server.database.uri, connections: 1 });
  try {
    return await openKeyring(db, root());
  } finally {
    await db.close();
  }
}
