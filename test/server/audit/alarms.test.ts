import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  newConfigKey,
  newDataKey,
  type PersonalPlace,
  type Place,
  parseRootKey,
  sealConfig,
  sealValue,
} from '../../../keys/index.ts';
import { StreamSender } from '../../../server/audit-streams/sender.ts';
import { Database } from '../../../server/database/database.ts';
import { brokenPlace } from '../../../server/keyring/broken.ts';
import type { Keyring } from '../../../server/keyring/keyring.ts';
import { openKeyring } from '../../../server/keyring/open.ts';
import { CONFIG_COLUMNS, PROJECT_COLUMNS } from '../../../server/keyring/sealed-columns.ts';
import { Outbound } from '../../../server/outbound/outbound.ts';
import { canary } from '../../support/canary.ts';
import { Browser, invitePerson, type Person } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { TestProvider } from '../sso/provider.ts';

/**
 * Whatever is sealed, and however it is altered: what needs it fails, nothing of it is shown, and the alarm is raised in the log and in
 * the audit, without a value or a key. Each column that holds something sealed has a row here.
 */

const SITE = 'https://kms.example.com';
const VALUE = `value-${canary}`;
const NEVER = 'https://127.0.0.1:9';
let server: TestServer;
let db: Database;
let keyring: Keyring;
let provider: TestProvider;
let ada: Person;
let adaToken: string;
let project: { id: string };
let place: Record<string, any>;
const lines: string[] = [];
const ids: Record<string, string> = {};

const sqlOf = async (text: string, values: unknown[] = []) => (await server.sql.query(text, values)).rows;
const at = (query = '') => `?projectId=${project.id}&environment=dev${query}`;
const asAdmin = (method: string, url: string, body?: object) =>
  server.send(method, url, { token: server.admin, ...(body ? { body } : {}) });

beforeAll(async () => {
  server = await startServer({
    ...{ siteUrl: SITE, outboundAllow: ['http://127.0.0.1', '127.0.0.1'], logLevel: 'info', sealEveryMs: 0 },
    logStream: { write: (line) => void lines.push(line) },
  });
  db = new Database({ uri: server.database.uri, connections: 2 });
  keyring = await openKeyring(db, parseRootKey(server.secrets.rootKey));
  provider = await new TestProvider(`${SITE}/api/v1/sso/oidc/callback`).start();
  project = await server.project('gateway');
  const body = { projectId: project.id, environment: 'dev' };
  await server.do('POST', '/api/v4/secrets/KEY', {
    body: {
      ...body,
      ...{ secretValue: VALUE, secretComment: VALUE },
      secretMetadata: [{ key: 'owner', value: VALUE, isEncrypted: true }],
    },
  });
  await server.do('PATCH', '/api/v4/secrets/KEY', { body: { ...body, secretValue: `${VALUE}-2` } });
  ada = await invitePerson(server, 'ada@hanzo.ai');
  await server.do('POST', `/api/v1/projects/${project.id}/memberships`, {
    body: { emails: ['ada@hanzo.ai'], roleSlugs: ['developer'] },
  });
  await ada.setUpMfa();
  adaToken = await ada.enter();
  await server.do('POST', '/api/v4/secrets/KEY', {
    token: adaToken,
    body: { ...body, type: 'personal', secretValue: VALUE, secretComment: VALUE },
  });
  await server.do('POST', '/api/v1/sso/oidc/config', {
    body: {
      organizationId: server.organizationId,
      configurationType: 'discoveryURL',
      discoveryURL: provider.discoveryUrl,
      clientId: provider.clientId,
      clientSecret: provider.clientSecret,
      isActive: true,
    },
  });
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['kubernetes-auth'] } });
  const pod = { name: 'pod', organizationId: server.organizationId };
  ids.pod = (await server.do('POST', '/api/v1/identities', { body: pod })).identity.id;
  await server.do('POST', `/api/v1/auth/kubernetes-auth/identities/${ids.pod}`, {
    body: { kubernetesHost: NEVER, caCert: '', tokenReviewerJwt: `a.${canary}.b`, allowedNames: 'x' },
  });
  const stream = { url: 'http://127.0.0.1:9/audit', organizationId: server.organizationId };
  ids.stream = (await server.do('POST', '/api/v1/audit-log-streams', { body: stream })).auditLogStream.id;
  [place] = (await sqlOf(
    `select s.id as "secretId", s.project_id as "projectId", s.environment_id as "environmentId", s.folder_id as "folderId", s.key as "keyName",
            s.version, s.key_version as "keyVersion", k.wrapped, p.id as "ownId", p.owner_id as "ownerId", p.version as "ownVersion"
       from secrets s join project_keys k on k.project_id = s.project_id join personal_secrets p on p.secret_id = s.id`,
  )) as [Record<string, any>];
}, 60_000);
afterAll(async () => {
  await provider?.close();
  await db?.close();
  await server?.close();
});

/** A column with something sealed: where it lies, how it is used, and what the alarm says of it. */
interface Kind {
  readonly column: string;
  /** Of the row, as SQL. */
  readonly row: () => string;
  readonly use: () => Promise<{ status: number; text: string }>;
  readonly alarm: () => object;
  /** Sealed under the right key for another place; and for the right place under another key. */
  readonly elsewhere: () => Promise<Buffer> | Buffer;
  readonly byAnother: () => Buffer;
}

function ofProject(column: string, use: Kind['use'], { history = false } = {}): Kind {
  const [table, name] = column.split('.') as [string, string];
  const field = name.replace('sealed_', '') as Place['field'];
  const own = table === 'personal_secrets';
  const placed = (more: object = {}): Place | PersonalPlace => {
    const { projectId, environmentId, folderId, secretId, keyName, keyVersion, ownerId } = place as any;
    const version = history ? 1 : own ? place.ownVersion : place.version;
    const here = own
      ? { projectId, secretId, ownerId, version, field, keyVersion }
      : { projectId, environmentId, folderId, secretId, keyName, version, field, keyVersion };
    return { ...here, ...more } as Place;
  };
  return {
    column,
    row: () =>
      own
        ? `id = '${place.ownId}'`
        : history
          ? `secret_id = '${place.secretId}' and version = 1`
          : `id = '${place.secretId}'`,
    use,
    alarm: () => ({
      projectId: project.id,
      secretId: place.secretId,
      ...{ key: 'KEY', field },
      ...(own ? { ownerId: place.ownerId } : {}),
    }),
    elsewhere: () =>
      sealValue(keyring.dataKey(project.id, 1, place.wrapped), placed({ secretId: project.id }), Buffer.from('mine')),
    byAnother: () => sealValue(newDataKey(), placed(), Buffer.from('mine')),
  };
}

function ofInstance(table: string, use: Kind['use'], owner: () => string): Kind {
  const { column, purpose, owner: named } = CONFIG_COLUMNS.find((each) => each.table === table)!;
  return {
    column: `${table}.${column}`,
    row: () => `${named} = '${owner()}'`,
    use,
    alarm: () => ({ purpose, ownerId: owner() }),
    elsewhere: () => keyring.sealConfig(purpose, project.id, 'mine'),
    byAnother: () => {
      const at = { instanceId: keyring.instanceId, purpose, ownerId: owner(), keyVersion: keyring.configKeyVersion };
      return sealConfig(newConfigKey(), at, Buffer.from('mine'));
    },
  };
}

const read = () => asAdmin('GET', `/api/v4/secrets/KEY${at()}`);
const readOld = () => asAdmin('GET', `/api/v4/secrets/KEY${at('&version=1')}`);
// An earlier version is shown without what was said about it; going back to it takes all.
const goBack = () => asAdmin('POST', `/api/v1/secret/${place.secretId}/rollback`, { version: 1 });
const readOwn = () => server.send('GET', `/api/v4/secrets/KEY${at('&type=personal')}`, { token: adaToken });
const kinds: Kind[] = [
  ofProject('secrets.sealed_value', read),
  ofProject('secrets.sealed_comment', read),
  ofProject('secrets.sealed_metadata', read),
  ofProject('secret_versions.sealed_value', readOld, { history: true }),
  ofProject('personal_secrets.sealed_value', readOwn),
  ofProject('personal_secrets.sealed_comment', readOwn),
  ofInstance(
    'totp_factors',
    async () => {
      await sqlOf('delete from login_failures');
      const { body } = await ada.select(await ada.login());
      const mfa = { mfaToken: await ada.freshCode(), mfaMethod: 'totp' };
      return ada.send('POST', '/api/v2/auth/mfa/verify', { token: body.token, body: mfa });
    },
    () => ada.id,
  ),
  ofInstance(
    'oidc_providers',
    async () => {
      const browser = new Browser(server);
      browser.headers.accept = 'text/html,*/*';
      const begun = await browser.send('GET', '/api/v1/sso/oidc/login?orgSlug=hanzo');
      const claims = { sub: 'somebody', email: 'somebody@hanzo.ai', email_verified: true };
      const back = provider.authorize(String(begun.headers.location), claims);
      return browser.send('GET', new URL(back).href.replace(SITE, ''));
    },
    () => ids.provider!,
  ),
  ofInstance(
    'machine_logins',
    () =>
      server.send('POST', '/api/v1/auth/kubernetes-auth/login', {
        body: { identityId: ids.pod, jwt: 'eyJhbGciOiJSUzI1NiJ9.pod.c2lnbmF0dXJl' },
      }),
    () => ids.login!,
  ),
  ofInstance(
    'audit_streams',
    () => asAdmin('GET', `/api/v1/audit-log-streams/${ids.stream}`),
    () => ids.stream!,
  ),
  ofProject('secret_versions.sealed_comment', goBack, { history: true }),
  ofProject('secret_versions.sealed_metadata', goBack, { history: true }),
];

const attacks: { name: string; on: (sealed: Buffer, kind: Kind) => Promise<Buffer> | Buffer }[] = [
  { name: 'what belongs elsewhere', on: (_, kind) => kind.elsewhere() },
  { name: 'a seal by another key', on: (_, kind) => kind.byAnother() },
  { name: 'a flipped bit', on: (sealed) => flipped(sealed, sealed.length - 20) },
  { name: 'a flipped bit in the tag', on: (sealed) => flipped(sealed, sealed.length - 1) },
  { name: 'a byte cut off', on: (sealed) => sealed.subarray(0, -1) },
  { name: 'a few bytes alone', on: (sealed) => sealed.subarray(0, 3) },
  { name: 'another format', on: (sealed, { column }) => flipped(sealed, PROJECT_COLUMNS.includes(column) ? 0 : 4) },
];

function flipped(sealed: Buffer, byte: number): Buffer {
  const other = Buffer.from(sealed);
  other[byte]! ^= 2;
  return other;
}

test('every column that holds something sealed is attacked here', () => {
  const columns = [...PROJECT_COLUMNS, ...CONFIG_COLUMNS.map(({ table, column }) => `${table}.${column}`)];
  expect(kinds.map(({ column }) => column).sort()).toEqual(columns.sort());
});

describe.each(kinds)('in the place of $column', (kind) => {
  const [table, column] = kind.column.split('.') as [string, string];

  test('whatever does not open raises the alarm in the log and in the audit, and shows nothing', async () => {
    ids.provider ??= (await sqlOf('select id from oidc_providers'))[0].id;
    ids.login ??= (await sqlOf('select id from machine_logins'))[0].id;
    const [{ sealed }] = await sqlOf(`select ${column} as sealed from ${table} where ${kind.row()}`);
    const put = (bytes: Buffer) => sqlOf(`update ${table} set ${column} = $1 where ${kind.row()}`, [bytes]);
    const failed: string[] = [];
    for (const { name, on } of attacks) {
      const before = lines.length;
      await put(await on(sealed, kind));
      const answer = await kind.use();
      const alarms = lines
        .slice(before)
        .map((line) => JSON.parse(line))
        .filter(({ alert }) => alert === 'seal-broken');
      if (answer.status !== 500 || alarms.length === 0)
        failed.push(`${name}: ${answer.status}, ${alarms.length} alarms`);
      else expect(alarms[0], name).toMatchObject({ level: 50, ...kind.alarm() });
      expect(answer.text.includes(canary)).toBe(false);
      const shown = lines.slice(before).join('\n');
      for (const secret of [canary, sealed.toString('hex'), sealed.toString('base64')]) {
        expect(shown.includes(secret), name).toBe(false);
      }
    }
    expect(failed).toEqual([]);
    await put(sealed);
    await expect
      .poll(() =>
        sqlOf(
          `select organization_id as id, outcome, metadata from audit_log where event = 'seal-broken' order by at desc limit 1`,
        ),
      )
      .toMatchObject([{ id: server.organizationId, outcome: 'refused' }]);
    await sqlOf(`delete from audit_log where event = 'seal-broken'`);
    expect((await kind.use()).status).not.toBe(500);
  });
});

const alarmsSince = (from: number) =>
  lines
    .slice(from)
    .map((line) => JSON.parse(line))
    .filter(({ alert }) => alert === 'seal-broken');

test('a wrapped key of a project that was altered raises the alarm too', async () => {
  const other = await server.project('billing');
  await sqlOf(
    'update project_keys set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1) where project_id = $1',
    [other.id],
  );
  const before = lines.length;
  const body = { projectId: other.id, environment: 'dev', secretValue: VALUE };
  expect((await asAdmin('POST', '/api/v4/secrets/KEY', body)).status).toBe(500);
  expect(alarmsSince(before)).toMatchObject([{ projectId: other.id, keyVersion: 1 }]);
  await expect
    .poll(() => sqlOf(`select metadata from audit_log where event = 'seal-broken' and project_id = $1`, [other.id]))
    .toMatchObject([{ metadata: { keyVersion: 1 } }]);
});

test('one that is deleted unseen raises the alarm, and so does a stream that cannot be sent', async () => {
  await server.setSecrets(project.id, 'dev', { GONE: VALUE });
  await sqlOf(
    `update secrets set sealed_value = set_byte(sealed_value, 20, get_byte(sealed_value, 20) # 1) where key = 'GONE'`,
  );
  const before = lines.length;
  const deleted = await asAdmin('DELETE', '/api/v4/secrets/GONE', { projectId: project.id, environment: 'dev' });
  expect([deleted.status, deleted.text.includes(canary)]).toEqual([200, false]);
  expect(alarmsSince(before)).toMatchObject([{ key: 'GONE', projectId: project.id }]);
  await sqlOf(
    'update audit_streams set sealed_secrets = set_byte(sealed_secrets, 20, get_byte(sealed_secrets, 20) # 1), retry_at = now()',
  );
  const told: unknown[] = [];
  keyring.onBroken = (cause) => told.push(brokenPlace(cause));
  const outbound = new Outbound();
  await new StreamSender({ db, keyring, outbound }).tick();
  outbound.close();
  expect(told).toEqual([{ purpose: 'audit-stream', ownerId: ids.stream }]);
});
