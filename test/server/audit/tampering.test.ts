import { appendFile, readFile, writeFile } from 'node:fs/promises';
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { invitePerson } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { kinds, rowsNamed, Seeded, settle, sinkFile } from './evidence.ts';

/** Somebody owns the tables, and has none of the server's keys. Whatever they do, the verification names it. */

let server: TestServer;
let seeded: Seeded;
let sink: Awaited<ReturnType<typeof sinkFile>>;
let identityId: string;
let keptRow: Record<string, unknown>;
/** A person's own value as it was before it was changed. */
let keptOwn: Record<string, unknown>;
let usedCode: Buffer;

beforeAll(async () => {
  sink = await sinkFile();
  server = await startServer({ auditSink: `file:${sink.path}`, sealEveryMs: 100 });
  const project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { API_KEY: 'first', OTHER: 'other', GONE: 'gone' });
  const { rows } = await server.sql.query(`select * from secrets where key = 'API_KEY'`);
  keptRow = rows[0];
  await settle(server);
  await server.do('PATCH', '/api/v4/secrets/API_KEY', {
    body: { projectId: project.id, environment: 'dev', secretValue: 'second', secretComment: 'why' },
  });
  await server.do('DELETE', '/api/v4/secrets/GONE', { body: { projectId: project.id, environment: 'dev' } });
  await server.do('POST', '/api/v1/organization/roles', {
    body: { slug: 'kept', name: 'Kept', permissions: [], organizationId: server.organizationId },
  });
  const viewer = await server.machine('viewer', { projectId: project.id, roles: [{ role: 'viewer' }] });
  const former = await server.machine('former', { projectId: project.id, roles: [{ role: 'admin' }] });
  identityId = viewer.id;
  await server.sql.query('create table former_grants as select * from project_memberships where actor_id = $1', [
    former.id,
  ]);
  await server.sql.query(
    'create table former_roles as select r.* from project_membership_roles r join former_grants m on m.id = r.membership_id',
  );
  await server.do('DELETE', `/api/v2/workspace/${project.id}/identity-memberships/${former.id}`);
  await settle(server);
  const list = `/api/v3/secrets/raw?workspaceId=${project.id}&environment=dev`;
  await server.send('GET', list, { token: viewer.token });
  await server.send('GET', list, { token: viewer.token });
  await settle(server);
  const ada = await invitePerson(server, 'ada@hanzo.ai');
  await server.do('POST', `/api/v1/projects/${project.id}/memberships`, {
    body: { emails: ['ada@hanzo.ai'], roleSlugs: ['developer'] },
  });
  const own = { projectId: project.id, environment: 'dev', type: 'personal' };
  let token = await ada.enter();
  await server.do('POST', '/api/v4/secrets/API_KEY', { token, body: { ...own, secretValue: 'mine' } });
  keptOwn = (await server.sql.query('select * from personal_secrets')).rows[0];
  await server.do('PATCH', '/api/v4/secrets/API_KEY', {
    token,
    body: { ...own, secretValue: 'mine, anew', secretComment: 'why' },
  });
  const [mfaToken] = await ada.setUpMfa();
  const before = (await server.sql.query('select mac from recovery_codes')).rows.map(({ mac }) => mac.toString('hex'));
  token = (await ada.select(await ada.login())).body.token;
  const entered = await ada.send('POST', '/api/v2/auth/mfa/verify', { token, body: { mfaToken, mfaMethod: 'totp' } });
  const left = (await server.sql.query('select mac from recovery_codes')).rows.map(({ mac }) => mac.toString('hex'));
  usedCode = Buffer.from(before.find((mac) => !left.includes(mac))!, 'hex');
  await server.do('POST', '/api/v1/auth/logout', { token: entered.body.token });
  await ada.enter();
  await settle(server);
  // The database is cloned from here on, which nobody may be connected to.
  await server.app.close();
  await server.sql.end();
  seeded = new Seeded(server);
}, 120_000);
afterAll(async () => {
  await sink?.remove();
  await server?.database.drop();
});

test('nothing is found where nobody tampered', async () => {
  const report = await seeded.tampered(async () => undefined, [sink.path]);
  expect(report).toMatchObject({ findings: [], more: 0, unsealed: 0 });
  expect(report.rows).toBeGreaterThan(10);
  expect(report.batches).toBeGreaterThan(2);
  expect(report.heads).toBe(report.batches);
  expect(report.secrets).toBe(3);
});

const listRead = `(select id from audit_log where event = 'get-secrets' order by xid limit 1)`;
const columns = [
  'action',
  'actor_name',
  'secret_path',
  'environment',
  'user_agent',
  'request_id',
  'event',
  'project_slug',
  'actor_kind',
];

test.each<{ name: string; sql: string[]; kind: string }>([
  ...columns.map((column) => ({
    name: `a changed ${column}`,
    sql: [`update audit_log set ${column} = 'x' where id = ${listRead}`],
    kind: 'row-changed',
  })),
  {
    name: 'a changed outcome',
    sql: [`update audit_log set outcome = 'refused' where id = ${listRead}`],
    kind: 'row-changed',
  },
  {
    name: 'a changed time',
    sql: [`update audit_log set at = at + interval '1 microsecond' where id = ${listRead}`],
    kind: 'row-changed',
  },
  {
    name: 'a changed address',
    sql: [`update audit_log set ip = '10.0.0.1' where id = ${listRead}`],
    kind: 'row-changed',
  },
  {
    name: 'another actor',
    sql: [`update audit_log set actor_id = gen_random_uuid() where id = ${listRead}`],
    kind: 'row-changed',
  },
  {
    name: 'a field taken away',
    sql: [`update audit_log set user_agent = null where id = ${listRead}`],
    kind: 'row-changed',
  },
  {
    name: 'changed metadata',
    sql: [`update audit_log set metadata = '{"a": 1}' where id = ${listRead}`],
    kind: 'row-changed',
  },
  { name: 'a changed list of keys', sql: [`update audit_manifests set keys = '{OTHER}'`], kind: 'row-changed' },
  { name: 'a removed list of keys', sql: ['delete from audit_manifests'], kind: 'row-removed' },
  { name: 'a removed row', sql: [`delete from audit_log where id = ${listRead}`], kind: 'row-removed' },
  {
    name: 'a removed attestation',
    sql: ['delete from audit_attestations where n = (select max(n) from audit_attestations)'],
    kind: 'row-removed',
  },
  {
    name: 'a row put in behind the seal',
    sql: [
      `insert into audit_log (action, event, outcome, actor_kind, request_id, xid)
           select 'read', 'forged', 'allowed', 'identity', 'req-forged', xid from audit_log order by xid desc limit 1`,
    ],
    kind: 'row-inserted',
  },
  {
    name: 'a row put in before the first seal',
    sql: [
      `insert into audit_log (action, event, outcome, actor_kind, request_id, xid)
           values ('read', 'forged', 'allowed', 'identity', 'req-forged', '3')`,
    ],
    kind: 'row-inserted',
  },
  {
    name: 'a row that no seal would reach',
    sql: [
      `insert into audit_log (action, event, outcome, actor_kind, request_id, xid)
           values ('read', 'forged', 'allowed', 'identity', 'req-forged', '9000000000')`,
    ],
    kind: 'row-ahead',
  },
  {
    name: 'a detached partition',
    sql: [
      `do $$ begin execute format('alter table audit_log detach partition %s',
         (select tableoid::regclass from audit_log limit 1)); end $$`,
    ],
    kind: 'row-removed',
  },
])('$name is found and named', async ({ sql, kind }) => {
  const report = await seeded.tampered(async (client) => {
    for (const text of sql) await client.query(text);
  });
  expect(kinds(report)).toContain(kind);
  for (const { message, row } of report.findings) expect(message).toContain(row ?? '');
});

test('the changed row is named by its id, and no other', async () => {
  let id = '';
  const report = await seeded.tampered(async (sql) => {
    id = (await sql.query(`update audit_log set actor_name = 'x' where id = ${listRead} returning id`)).rows[0].id;
  });
  expect(report.findings).toEqual([expect.objectContaining({ kind: 'row-changed', row: id })]);
});

test('two rows that changed places are both named', async () => {
  const report = await seeded.tampered((sql) =>
    sql.query(`
      with two as (select id, xid, row_number() over (order by xid) as n from audit_log where event in ('get-secrets', 'create-secret') and xid in
                    (select min(xid) from audit_log where event = 'create-secret' union select max(xid) from audit_log where event = 'get-secrets'))
      update audit_log l set xid = other.xid from two one, two other
       where l.id = one.id and one.n = 1 and other.n = (select max(n) from two)`),
  );
  expect(kinds(report)).toEqual(['row-inserted', 'row-removed']);
});

const head = `(select number from audit_batches order by number desc limit 1)`;
test.each<{ name: string; sql: string[]; kind: string }>([
  {
    name: 'a batch taken out of the middle',
    sql: ['delete from audit_batches where number = 2'],
    kind: 'batches-removed',
  },
  { name: 'the first batch taken away', sql: ['delete from audit_batches where number = 1'], kind: 'batches-removed' },
  {
    name: 'everything that one replica sealed taken away',
    sql: [
      `delete from audit_batches where replica = (select replica from audit_batches limit 1) and number > 1 and number < ${head}`,
    ],
    kind: 'batches-removed',
  },
  {
    name: 'a root made to fit',
    sql: [`update audit_batches set roots = array[sha256('x')] where number = 2`],
    kind: 'batch-changed',
  },
  {
    name: 'a batch backdated',
    sql: [`update audit_batches set sealed_at = sealed_at - interval '1 day' where number = 2`],
    kind: 'batch-changed',
  },
  {
    name: 'a signature of another batch',
    sql: [
      `update audit_batches set signature = (select signature from audit_batches where number = 1) where number = 2`,
    ],
    kind: 'batch-changed',
  },
  {
    name: 'rows and their batch taken away together',
    sql: [
      'delete from audit_log where xid >= (select first from audit_batches where number = 2) and xid < (select until from audit_batches where number = 2)',
      'delete from audit_batches where number = 2',
    ],
    kind: 'batches-removed',
  },
  {
    name: 'a forged checkpoint for a dropped partition',
    sql: [
      `update audit_batches set kind = 'checkpoint', note = '{"dropped": "audit_log_other"}' where number = ${head}`,
    ],
    kind: 'batch-changed',
  },
])('$name is found', async ({ sql, kind }) => {
  const report = await seeded.tampered(async (client) => {
    for (const text of sql) await client.query(text);
  });
  expect(kinds(report)).toContain(kind);
});

const cutTail = async (sql: pg.Client) => {
  await sql.query(`create temp table cut as select * from audit_batches where number = ${head}`);
  await sql.query('delete from audit_log where xid >= (select first from cut)');
  await sql.query('delete from audit_manifests where xid >= (select first from cut)');
  await sql.query('delete from audit_batches where number = (select number from cut)');
  await sql.query(
    'update audit_sealer set number = number - 1, next = (select first from cut), hash = (select previous from cut)',
  );
};

test('a cut tail is found by the exported heads, and by nothing else', async () => {
  expect(kinds(await seeded.tampered(cutTail))).toEqual([]);
  const report = await seeded.tampered(cutTail, [sink.path]);
  expect(kinds(report)).toEqual(['tail-cut']);
});

test('heads of several replicas are compared together', async () => {
  const lines = (await readFile(sink.path, 'utf8')).trim().split('\n');
  const [one, two] = [`${sink.path}.one`, `${sink.path}.two`];
  await writeFile(one, `${lines.filter((_, n) => n % 2 === 0).join('\n')}\n`);
  await writeFile(two, `starting\n${lines.filter((_, n) => n % 2 === 1).join('\n')}\n{"kmsAuditHead":1,"num`);
  expect(await seeded.tampered(async () => undefined, [one, two])).toMatchObject({ findings: [], heads: lines.length });
  expect(kinds(await seeded.tampered(cutTail, [one, two]))).toEqual(['tail-cut']);
});

test('an audit sealed anew differs from the exported heads', async () => {
  const other = JSON.parse((await readFile(sink.path, 'utf8')).split('\n')[0]!);
  const forged = `${sink.path}.forged`;
  await appendFile(forged, `${JSON.stringify({ ...other, hash: '00'.repeat(32) })}\n`);
  expect(kinds(await seeded.tampered(async () => undefined, [forged]))).toEqual(['head-differs']);
  const key = `${sink.path}.key`;
  await appendFile(key, `${JSON.stringify({ ...other, keyFingerprint: '00'.repeat(32) })}\n`);
  expect(kinds(await seeded.tampered(async () => undefined, [key]))).toEqual(['signing-key-replaced']);
});

test('a removed signing key is not made anew', async () => {
  const removed = seeded.tampered((sql) => sql.query(`delete from instance_keys where purpose = 'audit-signing'`));
  await expect(removed).rejects.toThrow('the signing key of the audit is gone');
});

test.each<{ name: string; work: (sql: pg.Client) => Promise<unknown>; kind: string }>([
  {
    name: 'a whole old row put back',
    work: (sql) =>
      sql.query('update secrets set sealed_value = $2, sealed_comment = null, version = $3 where id = $1', [
        keptRow.id,
        keptRow.sealed_value,
        keptRow.version,
      ]),
    kind: 'secret-put-back',
  },
  {
    name: 'an old value under the newest version',
    work: (sql) => sql.query('update secrets set sealed_value = $2 where id = $1', [keptRow.id, keptRow.sealed_value]),
    kind: 'secret-changed',
  },
  {
    name: 'a comment taken away',
    work: (sql) => sql.query('update secrets set sealed_comment = null where id = $1', [keptRow.id]),
    kind: 'secret-changed',
  },
  {
    name: 'a secret that nobody wrote',
    work: (sql) =>
      sql.query(
        `insert into secrets (project_id, environment_id, folder_id, key, version, key_version, sealed_value)
                 select project_id, environment_id, folder_id, 'FORGED', 1, key_version, sealed_value from secrets where id = $1`,
        [keptRow.id],
      ),
    kind: 'secret-unrecorded',
  },
  {
    name: 'an old row with a forged record',
    work: async (sql) => {
      await sql.query('update secrets set sealed_value = $2, sealed_comment = null, version = $3 where id = $1', [
        keptRow.id,
        keptRow.sealed_value,
        keptRow.version,
      ]);
      await sql.query(
        `insert into audit_log (action, event, outcome, actor_kind, request_id, secret_key, metadata)
         select 'update', 'update-secret', 'allowed', 'identity', 'req-forged', secret_key, metadata || '{"version": 1000}' from audit_log
          where metadata ->> 'secretId' = $1 and action = 'create'`,
        [keptRow.id],
      );
    },
    kind: 'secret-unrecorded',
  },
  {
    name: 'a deleted secret put back',
    work: (sql) =>
      sql.query(
        `insert into secrets (id, project_id, environment_id, folder_id, key, version, key_version, sealed_value)
                 select (l.metadata ->> 'secretId')::uuid, s.project_id, environment_id, folder_id, 'GONE', 1, key_version, sealed_value
                   from secrets s, audit_log l where s.id = $1 and l.event = 'delete-secret'`,
        [keptRow.id],
      ),
    kind: 'secret-put-back',
  },
])('$name is found', async ({ work, kind }) => {
  const report = await seeded.tampered(work);
  expect(kinds(report)).toEqual([kind]);
  expect(report.findings).toHaveLength(1);
  expect(report.findings[0]).toMatchObject({ table: 'secrets' });
});

test.each<{ name: string; work: (sql: pg.Client) => Promise<unknown>; kind: string }>([
  {
    name: 'a whole old row put back',
    work: (sql) =>
      sql.query('update personal_secrets set sealed_value = $2, sealed_comment = null, version = $3 where id = $1', [
        keptOwn.id,
        keptOwn.sealed_value,
        keptOwn.version,
      ]),
    kind: 'secret-put-back',
  },
  {
    name: 'an old value under the newest version',
    work: (sql) =>
      sql.query('update personal_secrets set sealed_value = $2 where id = $1', [keptOwn.id, keptOwn.sealed_value]),
    kind: 'secret-changed',
  },
  {
    name: 'a comment taken away',
    work: (sql) => sql.query('update personal_secrets set sealed_comment = null'),
    kind: 'secret-changed',
  },
  {
    name: 'a row that nobody wrote',
    work: (sql) =>
      sql.query(
        `insert into personal_secrets (project_id, secret_id, owner_id, version, key_version, sealed_value)
         select p.project_id, s.id, p.owner_id, 1, p.key_version, p.sealed_value
           from personal_secrets p join secrets s on s.key = 'OTHER'`,
      ),
    kind: 'secret-unrecorded',
  },
])("of people's own values, $name is found", async ({ work, kind }) => {
  const report = await seeded.tampered(work);
  expect(report.findings).toMatchObject([{ kind, table: 'personal_secrets' }]);
  expect(report.findings[0]!.message).toContain('the own value of person');
});

test.each<{ name: string; sql: string; table: string; kind: string }>([
  {
    name: 'a second factor taken away',
    sql: `update totp_factors set confirmed_at = null where $1::text is not null`,
    table: 'totp_factors',
    kind: 'grant-unattested',
  },
  {
    name: "another person's second factor",
    sql: `update totp_factors set sealed_seed = sha256('mine') where $1::text is not null`,
    table: 'totp_factors',
    kind: 'grant-unattested',
  },
  {
    name: 'a recovery code',
    sql: `insert into recovery_codes (user_id, mac) select user_id, sha256('mine') from totp_factors where $1::text is not null`,
    table: 'recovery_codes',
    kind: 'grant-unattested',
  },
  {
    name: 'a session of a person',
    sql: `insert into sessions (user_id, method, mfa_at, expires_at) select user_id, 'password', now(), now() + interval '1 day' from totp_factors where $1::text is not null`,
    table: 'sessions',
    kind: 'grant-unattested',
  },
  {
    name: "a session made another's",
    sql: `update sessions set user_id = (select id from users where email = 'z@hanzo.ai') where id = (select id from sessions where ended_at is null limit 1) and $1::text is not null`,
    table: 'sessions',
    kind: 'grant-unattested',
  },
  {
    name: 'a session that ended, brought back',
    sql: `update sessions set ended_at = null where id = (select id from sessions where ended_at is not null limit 1) and $1::text is not null`,
    table: 'sessions',
    kind: 'grant-unattested',
  },
  {
    name: 'a revoked token, brought back',
    sql: `update access_tokens set revoked_at = null where id = (select id from access_tokens where revoked_at is not null limit 1) and $1::text is not null`,
    table: 'access_tokens',
    kind: 'grant-unattested',
  },
  {
    name: 'a role of the organization',
    sql: `insert into organization_roles (organization_id, slug, name, permissions) select organization_id, 'mine', 'Mine', '[]' from identities where id = $1`,
    table: 'organization_roles',
    kind: 'grant-unattested',
  },
  {
    name: 'a wider role of the organization',
    sql: `update organization_roles set permissions = '[{"subject": "identity", "action": ["create-token"]}]' where $1::text is not null`,
    table: 'organization_roles',
    kind: 'grant-unattested',
  },
  {
    name: 'an instance admin',
    sql: 'update actors set instance_admin = true where id = $1',
    table: 'actors',
    kind: 'grant-unattested',
  },
  {
    name: 'a role in the organization',
    sql: `update organization_memberships set role = 'admin' where actor_id = $1`,
    table: 'organization_memberships',
    kind: 'grant-unattested',
  },
  {
    name: 'a role in a project',
    sql: `update project_membership_roles set role = 'admin' where membership_id = (select id from project_memberships where actor_id = $1)`,
    table: 'project_membership_roles',
    kind: 'grant-unattested',
  },
  {
    name: 'one more role',
    sql: `insert into project_membership_roles (membership_id, role) select id, 'admin' from project_memberships where actor_id = $1`,
    table: 'project_membership_roles',
    kind: 'grant-unattested',
  },
  {
    name: 'another client secret',
    sql: `update client_secrets set mac = (select mac from client_secrets order by created_at limit 1) where universal_auth_id = (select id from universal_auths where identity_id = $1)`,
    table: 'client_secrets',
    kind: 'grant-unattested',
  },
  {
    name: 'an opened address list',
    sql: `update universal_auths set access_token_trusted_ips = '{10.0.0.0/8}' where identity_id = $1`,
    table: 'universal_auths',
    kind: 'grant-unattested',
  },
  {
    name: 'an environment under another name',
    sql: `update environments set slug = 'elsewhere' where slug = 'prod' and $1::text is not null`,
    table: 'environments',
    kind: 'grant-unattested',
  },
  {
    name: 'a grant that ended, put back',
    sql: `with m as (insert into project_memberships select * from former_grants where $1::text is not null) select`,
    table: 'project_memberships',
    kind: 'grant-unattested',
  },
])('$name that nobody gave is found', async ({ sql, table, kind }) => {
  const report = await seeded.tampered((client) => client.query(sql, [identityId]));
  expect(report.findings.map((finding) => [finding.kind, finding.table])).toEqual([[kind, table]]);
  // Whoever can write the tables can also keep the trigger from noting it.
  const unnoted = await seeded.tampered(async (client) => {
    await client.query(`alter table ${table} disable trigger attested`);
    await client.query(sql, [identityId]);
    await client.query(`alter table ${table} enable trigger attested`);
  });
  expect(unnoted.findings.map((finding) => finding.table)).toEqual([table]);
  expect(kinds(unnoted)[0]).toMatch(/^grant-(changed|put-back|unattested)$/);
});

test('a second factor removed with its attestation is found', async () => {
  const report = await seeded.tampered(async (sql) => {
    await sql.query('alter table totp_factors disable trigger attested');
    await sql.query(`delete from audit_attestations where tab = 'totp_factors'`);
    await sql.query('delete from totp_factors');
    await sql.query('alter table totp_factors enable trigger attested');
  });
  expect(kinds(report)).toContain('row-removed');
});

test('a used recovery code put back is found', async () => {
  const report = await seeded.tampered(async (sql) => {
    await sql.query('alter table recovery_codes disable trigger attested');
    await sql.query('insert into recovery_codes (user_id, mac) select user_id, $1 from totp_factors', [usedCode]);
    await sql.query('alter table recovery_codes enable trigger attested');
  });
  expect(report.findings).toMatchObject([{ kind: 'grant-put-back', table: 'recovery_codes' }]);
});

test('an attestation copied from before is worth nothing', async () => {
  const report = await seeded.tampered(async (sql) => {
    await sql.query('update actors set instance_admin = true where id = $1', [identityId]);
    await sql.query(
      `update audit_attestations a set mac = (select mac from audit_attestations o where o.tab = a.tab and o.mac is not null limit 1) where mac is null`,
    );
  });
  expect(report.findings).toEqual([
    expect.objectContaining({ kind: 'grant-unattested', table: 'actors', row: identityId }),
  ]);
  expect(rowsNamed(report.findings, 'grant-unattested')).toEqual([identityId]);
});

test('a disabled trigger is found', async () => {
  const report = await seeded.tampered((sql) => sql.query('alter table actors disable trigger attested'));
  expect(report.findings).toMatchObject([{ kind: 'trigger-missing', table: 'actors' }]);
});
