import { afterAll, beforeAll, expect, test } from 'vitest';
import { canary } from '../../support/canary.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { thorough } from '../../support/thorough.ts';

let server: TestServer;
let project: { id: string; slug: string };
let service: Machine;

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  service = await server.machine('gateway-service', {
    projectId: project.id,
    roles: [{ role: 'admin' }],
  });
});
afterAll(() => server.close());

const place = () => ({ projectId: project.id, environment: 'production', secretPath: '/' });
const url = (path = '') => `/api/v4/secrets${path}?projectId=${project.id}&environment=prod&secretPath=/`;
const write = (method: string, key: string, body: object) =>
  server.send(method, `/api/v4/secrets/${key}`, { token: service.token, body: { ...place(), ...body } });

/** The records that `work` leaves, as they lie in the database, in the order of their writing. */
async function recordsOf(work: () => Promise<unknown>): Promise<any[]> {
  const { rows: before } = await server.sql.query('select id from audit_log');
  await work();
  const { rows } = await server.sql.query(
    `select l.*, host(l.ip) as ip, m.keys from audit_log l left join audit_manifests m on m.id = l.manifest_id
      where l.id <> all ($1::uuid[]) order by l.at, l.id`,
    [before.map(({ id }) => id)],
  );
  return rows;
}

interface Case {
  readonly name: string;
  readonly work: () => Promise<{ readonly status: number }>;
  readonly status: number;
  readonly record: object;
}

const inPlace = { environment: 'prod', secret_path: '/' };

test.each<Case>([
  {
    name: 'a created secret',
    work: () => write('POST', 'API_KEY', { secretValue: canary, secretComment: canary }),
    status: 200,
    record: { ...inPlace, action: 'create', event: 'create-secret', outcome: 'allowed', secret_key: 'API_KEY' },
  },
  {
    name: 'a changed secret',
    work: () => write('PATCH', 'API_KEY', { secretValue: `${canary}-2` }),
    status: 200,
    record: { ...inPlace, action: 'update', event: 'update-secret', outcome: 'allowed', secret_key: 'API_KEY' },
  },
  ...['database', 'memory'].map((source) => ({
    name: `a list from ${source}`,
    work: () => server.send('GET', url(), { token: service.token }),
    status: 200,
    record: { ...inPlace, action: 'read', event: 'get-secrets', outcome: 'allowed', keys: ['API_KEY'] },
  })),
  ...['database', 'memory'].map((source) => ({
    name: `one secret from ${source}`,
    work: () => server.send('GET', url('/API_KEY'), { token: service.token }),
    status: 200,
    record: { ...inPlace, action: 'read', event: 'get-secret', outcome: 'allowed', secret_key: 'API_KEY' },
  })),
  {
    name: 'an earlier version',
    work: () => server.send('GET', `${url('/API_KEY')}&version=1`, { token: service.token }),
    status: 200,
    record: {
      ...inPlace,
      action: 'read',
      event: 'get-secret',
      outcome: 'allowed',
      secret_key: 'API_KEY',
      metadata: { version: 1 },
    },
  },
  {
    name: 'a deleted secret',
    work: () => write('DELETE', 'API_KEY', {}),
    status: 200,
    record: { ...inPlace, action: 'delete', event: 'delete-secret', outcome: 'allowed', secret_key: 'API_KEY' },
  },
])('$name leaves one record of the six facts', async ({ work, status, record }) => {
  const records = await recordsOf(async () => expect((await work()).status).toBe(status));
  expect(records).toEqual([
    expect.objectContaining({
      actor_kind: 'identity',
      actor_id: service.id,
      actor_name: 'gateway-service',
      project_id: project.id,
      project_slug: 'gateway',
      organization_id: server.organizationId,
      ip: '127.0.0.1',
      request_id: expect.stringMatching(/^req-/),
      ...record,
    }),
  ]);
  expect(Math.abs(Date.now() - records[0].at.getTime())).toBeLessThan(10_000);
});

test('a login leaves one record', async () => {
  const records = await recordsOf(() => server.login(service.clientId, service.clientSecret));
  expect(records).toMatchObject([
    {
      action: 'login',
      event: 'login-identity-universal-auth',
      outcome: 'allowed',
      actor_id: service.id,
      organization_id: server.organizationId,
    },
  ]);
});

test.each<{ name: string; work: () => Promise<{ status: number }>; status: number; record: object }>([
  {
    name: 'a read without the right',
    work: async () => {
      const { token } = await viewerOfDev();
      return server.send('GET', url(), { token });
    },
    status: 403,
    record: { action: 'read', event: 'read-secrets', outcome: 'refused', environment: 'prod', project_slug: 'gateway' },
  },
  {
    name: 'a write without the right',
    work: async () => {
      const { token } = await viewerOfDev();
      const body = { ...place(), environment: 'dev', secretValue: canary };
      return server.send('POST', '/api/v4/secrets/STOLEN', { token, body });
    },
    status: 403,
    record: { action: 'create', event: 'create-secrets', outcome: 'refused', environment: 'dev' },
  },
  {
    name: "a stranger's project",
    work: async () => {
      const { token } = await viewerOfDev();
      return server.send('GET', '/api/v4/secrets?projectSlug=elsewhere&environment=prod', { token });
    },
    status: 404,
    record: { action: 'read', event: 'project', outcome: 'refused', metadata: { asked: 'elsewhere' } },
  },
  {
    name: 'a revoked token',
    work: async () => {
      const { token } = await viewerOfDev();
      await server.do('POST', '/api/v1/auth/token/revoke', { token: undefined, body: { accessToken: token } });
      return server.send('GET', url(), { token });
    },
    status: 401,
    record: { event: 'token-revoked', outcome: 'refused' },
  },
])('$name leaves a record of the refusal', async ({ work, status, record }) => {
  const records = await recordsOf(async () => expect((await work()).status).toBe(status));
  const refused = records.filter(({ outcome }) => outcome === 'refused');
  // Also where the caller asked for what is not its own: its organization's admins are to see that.
  expect(refused).toEqual([
    expect.objectContaining({ actor_name: 'viewer-of-dev', organization_id: server.organizationId, ...record }),
  ]);
});

let viewer: Machine | undefined;
async function viewerOfDev(): Promise<Machine> {
  const roles = [{ role: 'viewer', environments: ['dev'] }];
  viewer ??= await server.machine('viewer-of-dev', { projectId: project.id, roles });
  return { ...viewer, token: await server.login(viewer.clientId, viewer.clientSecret) };
}

test('forged tokens are counted and leave no record', async () => {
  const [header, claims] = service.token.split('.');
  const tokens = [`${header}.${claims}.${'A'.repeat(43)}`, 'nonsense', ''];
  const records = await recordsOf(async () => {
    for (const token of tokens) {
      for (let n = 0; n < 10; n++) expect((await server.send('GET', url(), { token })).status).toBe(401);
    }
    for (let n = 0; n < 5; n++) expect((await server.send('GET', url())).status).toBe(401);
  });
  expect(records).toEqual([]);
});

test('wrong client secrets leave one record a minute', async () => {
  // Slowed down, the later ones would get a 429 each, half a second apart.
  await server.do('PATCH', `/api/v1/auth/universal-auth/identities/${service.id}`, { body: { lockoutEnabled: false } });
  const wrong = { clientId: service.clientId, clientSecret: `st.${'w'.repeat(43)}` };
  const unknown = { ...wrong, clientId: '11111111-2222-4333-8444-555555555555' };
  const answers: any[] = [];
  const records = await recordsOf(async () => {
    for (const body of [wrong, unknown]) {
      for (let n = 0; n < 20; n++)
        answers.push(await server.send('POST', '/api/v1/auth/universal-auth/login', { body }));
    }
  });
  expect(new Set(answers.map(({ status, body }) => `${status} ${body.message}`)).size).toBe(1);
  expect(answers[0].status).toBe(401);
  expect(records).toMatchObject([
    { action: 'login', outcome: 'refused', actor_id: service.id, actor_name: 'gateway-service' },
  ]);
});

thorough('refused strangers are counted by reason', async () => {
  const counters = async () => {
    const { rows } = await server.sql.query(
      'select reason, sum(count)::int as count from anonymous_refusals group by reason',
    );
    return Object.fromEntries(rows.map(({ reason, count }) => [reason, count]));
  };
  // They are written out every five seconds.
  await expect.poll(counters, { timeout: 8_000 }).toEqual({
    'token-forged': 30,
    'token-missing': 5,
    'login-wrong-secret': 20,
    'login-unknown-client': 20,
    'token-revoked': 1,
  });
});

test('no table holds a value, a client secret or a token', async () => {
  await server.setSecrets(project.id, 'prod', { LAST: canary });
  await server.send('GET', url(), { token: service.token });
  const { rows: tables } = await server.sql.query(
    `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
  );
  expect(tables.length).toBeGreaterThan(20);
  // The last one is there, and shows that the search finds what is there.
  const texts = {
    value: canary,
    clientSecret: service.clientSecret.slice(3),
    token: service.token.split('.')[2]!,
    name: 'gateway-service',
  };
  const found = new Set<string>();
  for (const { relname } of tables) {
    for (const [name, text] of Object.entries(texts)) {
      // Byte columns show as hex in a row's text, so they are searched in that spelling as well.
      const { rows } = await server.sql.query(
        `select count(*)::int as count from "${relname}" t
          where position($1 in t::text) > 0 or position(encode(convert_to($1, 'UTF8'), 'hex') in t::text) > 0`,
        [text],
      );
      if (rows[0].count > 0) found.add(`${name} in ${relname}`);
    }
  }
  const month = new Date().toISOString().slice(0, 7).replace('-', '_');
  expect([...found].sort()).toEqual([`name in audit_log_${month}`, 'name in identities']);
});

test('a revoked token sent again and again leaves one record, and a count', async () => {
  const { id, token } = await server.machine('stubborn');
  await server.do('POST', '/api/v1/auth/token/revoke', { body: { accessToken: token } });
  for (let n = 0; n < 5; n++) {
    expect((await server.send('GET', '/api/v1/projects', { token })).status).toBe(401);
  }
  const { rows } = await server.sql.query("select 1 from audit_log where actor_id = $1 and event = 'token-revoked'", [
    id,
  ]);
  expect(rows).toHaveLength(1);
});

test('a renewed token is in the audit', async () => {
  const { id, token } = await server.machine('renewer');
  await server.do('POST', '/api/v1/auth/token/renew', { body: { accessToken: token } });
  const { rows } = await server.sql.query(
    "select actor_name, host(ip) as ip from audit_log where actor_id = $1 and event = 'renew-access-token'",
    [id],
  );
  expect(rows).toEqual([{ actor_name: 'renewer', ip: '127.0.0.1' }]);
});
