import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import { canary } from '../../support/canary.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/**
 * Somebody can write the tables but holds no key. Whatever they move, swap or alter, the server answers an error
 * without any value, rather than a value that was meant for another place.
 */

let server: TestServer;
let gateway: string;
let billing: string;

const VICTIM = `victim-${canary}`;
const FOREIGN = `foreign-${canary}`;
let generation = 0;
let target: string;
let other: string;

beforeAll(async () => {
  server = await startServer();
  gateway = (await server.project('gateway')).id;
  billing = (await server.project('billing')).id;
});
afterAll(() => server.close());

/** Two fresh secrets: TARGET in gateway/dev, with an earlier version, and OTHER beside it. */
beforeEach(async () => {
  generation++;
  target = `TARGET_${generation}`;
  other = `OTHER_${generation}`;
  await server.setSecrets(gateway, 'dev', { [target]: 'earlier', [other]: FOREIGN });
  await server.setSecrets(gateway, 'prod', { [target]: FOREIGN });
  await server.setSecrets(billing, 'dev', { [target]: FOREIGN });
  await server.do('PATCH', `/api/v4/secrets/${target}`, {
    body: { projectId: gateway, environment: 'dev', secretValue: VICTIM, secretComment: FOREIGN },
  });
});

const row = (project: string, environment: string, key: string) => `
  (select s.* from secrets s join environments e on e.id = s.environment_id
    where s.project_id = '${project}' and e.slug = '${environment}' and s.key = '${key}')`;

/**
 * Attacks on gateway/dev/TARGET; `read` names what is asked for afterwards, the target by default, and `change` is one that
 * would carry the attacked field along, by default of the comment.
 */
const attacks: { what: string; sql: () => string; read?: () => [string, string, string]; change?: object }[] = [
  {
    what: 'the value of a secret beside it',
    sql: () => `update secrets s set sealed_value = o.sealed_value from ${row(gateway, 'dev', other)} o
                 where s.id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'the value of another environment',
    sql: () => `update secrets s set sealed_value = o.sealed_value, version = o.version from ${row(gateway, 'prod', target)} o
                 where s.id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'the value of another project',
    sql: () => `update secrets s set sealed_value = o.sealed_value, version = o.version from ${row(billing, 'dev', target)} o
                 where s.id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'its own earlier value',
    sql: () => `update secrets s set sealed_value = v.sealed_value from secret_versions v
                 where v.secret_id = s.id and v.version = 1 and s.id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'its own comment for a value',
    sql: () =>
      `update secrets set sealed_value = sealed_comment where id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'another version number',
    sql: () => `update secrets set version = version + 1 where id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'another name',
    sql: () =>
      `update secrets set key = key || '_RENAMED' where id = (select id from ${row(gateway, 'dev', target)} t)`,
    read: () => [gateway, 'dev', `${target}_RENAMED`],
  },
  {
    what: 'another id',
    sql: () => `delete from secret_versions where secret_id = (select id from ${row(gateway, 'dev', target)} t);
                update secrets set id = gen_random_uuid() where id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'another environment to lie in',
    sql: () => `update secrets s set environment_id = o.environment_id, folder_id = o.folder_id, key = key || '_MOVED'
                  from (select environment_id, folder_id from ${row(gateway, 'prod', target)} p) o
                 where s.id = (select id from ${row(gateway, 'dev', target)} t)`,
    read: () => [gateway, 'prod', `${target}_MOVED`],
  },
  {
    what: 'another project to lie in',
    sql: () => `update secrets s set project_id = '${billing}', environment_id = o.environment_id, folder_id = o.folder_id, key = key || '_MOVED'
                  from (select environment_id, folder_id from ${row(billing, 'dev', target)} p) o
                 where s.id = (select id from ${row(gateway, 'dev', target)} t)`,
    read: () => [billing, 'dev', `${target}_MOVED`],
  },
  {
    what: 'one flipped bit',
    sql: () => `update secrets set sealed_value = set_byte(sealed_value, length(sealed_value) - 20, get_byte(sealed_value, length(sealed_value) - 20) # 1)
                 where id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'an unknown format',
    sql: () =>
      `update secrets set sealed_value = set_byte(sealed_value, 0, 2) where id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'no bytes at all',
    sql: () => `update secrets set sealed_value = '' where id = (select id from ${row(gateway, 'dev', target)} t)`,
  },
  {
    what: 'a comment from elsewhere',
    sql: () => `update secrets s set sealed_comment = o.sealed_value from ${row(gateway, 'dev', other)} o
                 where s.id = (select id from ${row(gateway, 'dev', target)} t)`,
    change: { secretValue: 'touched' },
  },
];

test.each(attacks)('a secret given $what does not open', async ({ sql, read, change }) => {
  const [projectId, environment, key] = read?.() ?? [gateway, 'dev', target];
  const query = new URLSearchParams({ projectId, environment });
  // Held in memory before the attack, so that the memory is attacked as well.
  await server.send('GET', `/api/v4/secrets?${query}`, { token: server.admin });
  await server.send('GET', `/api/v4/secrets/${key}?${query}`, { token: server.admin });
  await server.sql.query(sql());
  const answers = [
    await server.send('GET', `/api/v4/secrets/${key}?${query}`, { token: server.admin }),
    await server.send('GET', `/api/v4/secrets?${query}`, { token: server.admin }),
    await server.send('PATCH', `/api/v4/secrets/${key}`, {
      token: server.admin,
      body: { projectId, environment, ...(change ?? { secretComment: 'touched' }) },
    }),
  ];
  for (const { status, text, body } of answers) {
    expect([status, body.error]).toEqual([500, 'InternalServerError']);
    expect(text.includes(canary)).toBe(false);
  }
  await server.sql.query("delete from secrets where key like $1 || '%'", [target]);
});

test.each([
  {
    what: 'of the present row',
    sql: 'update secret_versions v set sealed_value = s.sealed_value from secrets s where s.id = v.secret_id and s.key = $1',
  },
  {
    what: 'under another number',
    sql: 'update secret_versions v set version = 7 from secrets s where s.id = v.secret_id and s.key = $1',
    version: 7,
  },
  {
    what: 'under another name',
    sql: "update secret_versions v set key = 'X' from secrets s where s.id = v.secret_id and s.key = $1",
  },
])('an earlier version $what does not open', async ({ sql, version = 1 }) => {
  await server.sql.query(sql, [target]);
  const query = new URLSearchParams({ projectId: gateway, environment: 'dev', version: String(version) });
  const { status, text } = await server.send('GET', `/api/v4/secrets/${target}?${query}`, { token: server.admin });
  expect(status).toBe(500);
  expect(text.includes(canary)).toBe(false);
});

test('a broken secret can be written anew, and deleted with its value unseen', async () => {
  const breakIt = () =>
    server.sql.query(
      `update secrets set sealed_value = '\\x01', sealed_comment = '\\x01' where id = (select id from ${row(gateway, 'dev', target)} t)`,
    );
  const url = `/api/v4/secrets/${target}`;
  const at = { projectId: gateway, environment: 'dev' };
  await breakIt();
  const kept = await server.send('PATCH', url, { token: server.admin, body: { ...at, secretValue: 'new' } });
  expect(kept.status).toBe(500);
  await server.do('PATCH', url, { body: { ...at, secretValue: 'new', secretComment: '' } });
  expect((await server.do('GET', `${url}?projectId=${gateway}&environment=dev`)).secret.secretValue).toBe('new');

  await breakIt();
  const { secret } = await server.do('DELETE', url, { body: at });
  expect(secret).toMatchObject({ secretKey: target, secretValueHidden: true, secretComment: '' });
  expect(
    (await server.send('GET', `${url}?projectId=${gateway}&environment=dev`, { token: server.admin })).status,
  ).toBe(404);
});

test("another project's data key opens nothing here", async () => {
  const fresh = await server.project('swapped');
  await server.setSecrets(fresh.id, 'dev', { A: FOREIGN });
  await server.sql.query(
    'update project_keys set wrapped = (select wrapped from project_keys where project_id = $1) where project_id = $2',
    [billing, fresh.id],
  );
  // A replica that never opened the right key: this one may still hold it.
  const replica = await createApp({
    databaseUri: server.database.uri,
    rootKey: parseRootKey(server.secrets.rootKey),
    authSecret: parseAuthSecret(server.secrets.authSecret),
  });
  const answer = await replica.inject({
    url: `/api/v4/secrets/A?projectId=${fresh.id}&environment=dev`,
    headers: { authorization: `Bearer ${server.admin}` },
  });
  await replica.close();
  expect(answer.statusCode).toBe(500);
  expect(answer.body.includes(canary)).toBe(false);
});

test('nothing that is stored shows a value', async () => {
  const tables = await server.sql.query(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
  );
  expect(tables.rows.length).toBeGreaterThan(15);
  for (const { name } of tables.rows) {
    const found = await server.sql.query(
      `select count(*)::int as n from ${name} t
        where position($1 in t::text) > 0 or position(encode(convert_to($1, 'UTF8'), 'hex') in t::text) > 0`,
      [canary],
    );
    expect([name, found.rows[0].n]).toEqual([name, 0]);
  }
});
