import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditKeys, makeProof, newAuditSigningKey, parseAuthSecret } from '../../../keys/index.ts';
import { Access, type Caller } from '../../../server/access/access.ts';
import { Audit } from '../../../server/audit/audit.ts';
import { Database } from '../../../server/database/database.ts';
import { answerError } from '../../../server/http/errors.ts';
import { Faults } from '../../../server/metrics/faults.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { expectDocumented } from './documented.ts';
import { makeWorld, type World } from './world.ts';

/** Attacks that once went through, each at its edge. */

let server: TestServer;
let world: World;

beforeAll(async () => {
  server = await startServer();
  world = await makeWorld(server, 'edges');
});
afterAll(() => server.close());

const asAdmin = (method: string, url: string, body?: unknown) =>
  server.send(method, url, { token: server.admin, body });

describe('names', () => {
  test('a property of every object is no alias of an environment', async () => {
    const environments = `/api/v1/projects/${world.projectId}/environments`;
    expect((await asAdmin('POST', environments, { name: 'C', slug: 'constructor' })).status).toBe(200);
    const list = await asAdmin('GET', `/api/v4/secrets?projectId=${world.projectId}&environment=constructor`);
    expect(list).toMatchObject({ status: 200, body: { secrets: [] } });
  });

  test('an id in capitals is the same id', async () => {
    const { projectId, folderId } = world;
    const body = { projectId: projectId.toUpperCase(), environment: 'dev', name: 'renamed' };
    const renamed = await asAdmin('PATCH', `/api/v1/folders/${folderId.toUpperCase()}`, body);
    expect(renamed).toMatchObject({ status: 200, body: { folder: { id: folderId, name: 'renamed' } } });
  });

  test('a key of 255 three-byte characters can be named', async () => {
    const key = encodeURIComponent('語'.repeat(255));
    const body = { projectId: world.projectId, environment: 'staging', secretValue: 'x' };
    expect((await asAdmin('POST', `/api/v4/secrets/${key}`, body)).status).toBe(200);
    expect(
      (await asAdmin('GET', `/api/v4/secrets/${key}?projectId=${world.projectId}&environment=staging`)).status,
    ).toBe(200);
  });

  test('renames make no path that cannot be named', async () => {
    const at = { projectId: world.projectId, environment: 'prod' };
    const name = (n: number) => `${n}`.padEnd(255, 'abcdefghijklmnopqrstuvwxyz');
    await server.do('POST', '/api/v1/folders', { body: { ...at, path: '/a/b/c/d/e/f/g/h/i/j/k', name: 'l' } });
    const outcomes: number[] = [];
    for (let path = '/', level = 0; level < 6; level++) {
      const query = new URLSearchParams({ ...at, path });
      const [folder] = (await server.do('GET', `/api/v1/folders?${query}`)).folders;
      const answer = await asAdmin('PATCH', `/api/v1/folders/${folder.id}`, { ...at, path, name: name(level) });
      outcomes.push(answer.status);
      path = answer.status === 200 ? answer.body.folder.path : folder.path;
    }
    expect(outcomes).toEqual([200, 200, 200, 400, 400, 400]);
    const { rows } = await server.sql.query('select max(length(path)) as longest from folders');
    expect(rows[0].longest).toBeLessThanOrEqual(1024);
    const deep = {
      ...at,
      path: `/${'x'.repeat(255)}/${'y'.repeat(255)}/${'z'.repeat(255)}/${'w'.repeat(200)}`,
      name: 'v'.repeat(255),
    };
    expectDocumented(await asAdmin('POST', '/api/v1/folders', deep), 400);
  });
});

describe('times', () => {
  const query = (more: string) => asAdmin('GET', `/api/v1/audit-logs?projectId=${world.projectId}&${more}`);

  test.each(['0000-01-01', '0000-00-00', '99999', '2025-02-30', '2025-01-01T24:00:00Z', '0001-01-01T00:00:00%2B10:00'])(
    'the audit is not asked for %s',
    async (date) => {
      expectDocumented(await query(`startDate=${date}`), 422);
      expectDocumented(await query(`endDate=${date}`), 422);
    },
  );

  test.each(['0001-01-01', '2025-01-01T00:00:00%2B23:59', `2025-01-01T00:00:00.${'1'.repeat(300)}Z`])(
    'the audit can be asked from %.30s on',
    async (date) => {
      expect((await query(`startDate=${date}&endDate=9999-12-31`)).status).toBe(200);
    },
  );

  test('the end of a query takes in its own millisecond', async () => {
    const [latest] = (await query('eventType=create-project')).body.auditLogs;
    const again = await query(`eventType=create-project&startDate=${latest.when}&endDate=${latest.when}`);
    expect(again.body.auditLogs).toEqual([latest]);
  });

  test.each(['0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '9000-01-01T00:00:00Z'])(
    'a temporary role does not start at %s',
    async (temporaryAccessStartTime) => {
      const role = { role: 'viewer', isTemporary: true, temporaryRange: '99999d', temporaryAccessStartTime };
      const url = `/api/v1/projects/${world.projectId}/identity-memberships/${world.identityId}`;
      expectDocumented(await asAdmin('PATCH', url, { roles: [role] }), 422);
      expect((await asAdmin('GET', url)).status).toBe(200);
    },
  );

  test('a token may live beyond 2038', async () => {
    const machine = await server.machine('long-lived');
    const years = [20 * 31_557_600, machine.id];
    await server.sql.query(
      'update universal_auths set access_token_ttl = $1, access_token_max_ttl = $1 where identity_id = $2',
      years,
    );
    const token = await server.login(machine.clientId, machine.clientSecret);
    expect((await server.send('GET', '/api/v1/organization', { token })).status).toBe(200);
    expect((await asAdmin('POST', '/api/v1/auth/token/renew', { accessToken: token })).status).toBe(200);
  });
});

describe('callers', () => {
  const from = (remoteAddress: string) =>
    server.app.inject({
      url: '/api/v1/organization',
      headers: { authorization: `Bearer ${server.admin}` },
      remoteAddress,
    });

  test.each(['fe80::1%eth0', '::ffff:10.0.0.1', '::1', '2001:db8::1'])(
    'a caller from %s is served',
    async (address) => {
      expect((await from(address)).statusCode).toBe(200);
    },
  );

  test('a proof covers the body of a form', async () => {
    const path = '/api/v1/admin/recovery-session';
    const answer = await server.app.inject({
      method: 'POST',
      url: path,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'x-kms-proof': makeProof(parseAuthSecret(server.secrets.authSecret), { method: 'POST', path, body: '' }),
      },
      payload: 'email=z@hanzo.ai',
    });
    expectDocumented({ status: answer.statusCode, text: answer.body }, 403);
  });

  test('a value over several lines does not reach the log', () => {
    const lines: unknown[] = [];
    const server = { faults: new Faults() };
    const raw = { destroyed: false, complete: true };
    const request = { id: 'req-1', raw, server, log: { error: (line: unknown) => lines.push(line) } };
    const reply = new Proxy({}, { get: (_, name) => (name === 'then' ? undefined : () => reply) });
    answerError(new Error('invalid input: "first\nsecond-line-of-a-value"'), request as never, reply as never);
    expect(JSON.stringify(lines)).toContain('edges.test.ts');
    expect(JSON.stringify(lines)).not.toContain('second-line');
  });
});

describe('admins', () => {
  let boss: Machine;
  beforeAll(async () => {
    boss = await server.machine('boss', { role: 'admin' });
  });

  const firstIdentity = async () => {
    const { rows } = await server.sql.query('select bootstrap_identity_id as id from instance');
    return rows[0].id as string;
  };

  test("an organization's admin does not become the instance's", async () => {
    const id = await firstIdentity();
    const auth = `/api/v1/auth/universal-auth/identities/${id}`;
    for (const [method, url, body] of [
      ['POST', `${auth}/client-secrets`, {}],
      ['PATCH', auth, { accessTokenTTL: 1 }],
      ['DELETE', auth, undefined],
      ['PATCH', `/api/v1/identities/${id}`, { role: 'no-access' }],
      ['DELETE', `/api/v1/identities/${id}`, undefined],
    ] as const) {
      expectDocumented(await server.send(method, url, { token: boss.token, body }), 403);
    }
    expect((await server.send('GET', `/api/v1/identities/${id}`, { token: boss.token })).status).toBe(200);
  });

  test('the last admin stays, be it a machine', async () => {
    const { id: organizationId } = await server.organization('one-admin');
    const only = await server.machine('only-admin', { organizationId, role: 'admin' });
    await server.sql.query(`delete from organization_memberships where organization_id = $1 and actor_id <> $2`, [
      organizationId,
      only.id,
    ]);
    for (const [method, body] of [
      ['PATCH', { role: 'member' }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await server.send(method, `/api/v1/identities/${only.id}`, { token: only.token, body });
      expect(expectDocumented(answer, 400).message).toContain('last admin');
    }
  });

  test('of two admins who leave at once, one stays', async () => {
    const { id: organizationId } = await server.organization('two-admins');
    const one = await server.machine('one', { organizationId, role: 'admin' });
    const two = await server.machine('two', { organizationId, role: 'admin' });
    await server.sql.query(`delete from organization_memberships where organization_id = $1 and actor_id <> all ($2)`, [
      organizationId,
      [one.id, two.id],
    ]);
    const answers = await Promise.all(
      [one, two].map(({ id, token }) => server.send('DELETE', `/api/v1/identities/${id}`, { token })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
  });

  test('an organization takes its machines and their tokens along', async () => {
    const { id: organizationId } = await server.organization('short-lived');
    const machine = await server.machine('machine', { organizationId });
    // Of no client secret, as the first admin's may be: nothing but its actor could end it.
    await server.sql.query('update access_tokens set client_secret_id = null where actor_id = $1', [machine.id]);
    expect((await asAdmin('DELETE', `/api/v2/organizations/${organizationId}`)).status).toBe(200);
    expectDocumented(await server.send('GET', '/api/v1/organization', { token: machine.token }), 401);
    const { rows } = await server.sql.query('select from actors where id = $1', [machine.id]);
    expect(rows).toEqual([]);
  });
});

describe('between check and change', () => {
  const org = () => server.organizationId;

  /** The parts of the server that decide, on the test's own database, so that a test can stand between the two. */
  async function parts() {
    const db = new Database({ uri: server.database.uri, connections: 2 });
    const path = new Database({ uri: server.database.uri, connections: 2 });
    const close = () => Promise.all([db.close(), path.close()]);
    return { access: new Access(db, path, new Audit(path, { audit: auditKeys(newAuditSigningKey(), 1) })), close };
  }

  const callerOf = async (machine: Machine): Promise<Caller> => {
    const { rows } = await server.sql.query('select id from access_tokens where actor_id = $1', [machine.id]);
    const origin = { ip: '127.0.0.1', userAgent: null, requestId: 'req-between' };
    return { tokenId: rows[0].id, actorId: machine.id, usesLimited: false, origin };
  };

  test.each([
    {
      name: 'a revoked token',
      sql: 'update access_tokens set revoked_at = now() where actor_id = $1',
      kind: 'tokenRefused',
    },
    { name: 'a deleted identity', sql: 'delete from actors where id = $1', kind: 'tokenRefused' },
    {
      name: 'a lower role',
      sql: "update organization_memberships set role = 'member' where actor_id = $1",
      kind: 'forbidden',
    },
    { name: 'a lost membership', sql: 'delete from organization_memberships where actor_id = $1', kind: 'forbidden' },
  ])('$name stops a change of the organization', async ({ sql, kind }) => {
    const machine = await server.machine(`between-${kind}`, { role: 'admin' });
    const { access, close } = await parts();
    try {
      const allowed = await access.organizationAdmin(await callerOf(machine), org(), 'create-identity');
      expect(await access.changeOrganization(allowed, async () => 'done')).toBe('done');
      await server.sql.query(sql, [machine.id]);
      const change = access.changeOrganization(allowed, async () => expect.fail('was changed'));
      await expect(change).rejects.toMatchObject({ kind });
    } finally {
      await close();
    }
  });

  test('of two changes of one login, neither is lost', async () => {
    const url = `/api/v1/auth/universal-auth/identities/${world.identityId}`;
    for (let round = 1; round <= 5; round++) {
      const ip = `10.0.0.${round}`;
      const changes = [
        { accessTokenTTL: 100 + round },
        { clientSecretTrustedIps: [{ ipAddress: ip }] },
        { accessTokenNumUsesLimit: round },
      ];
      const answers = await Promise.all(changes.map((change) => asAdmin('PATCH', url, change)));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      const { identityUniversalAuth: now } = (await asAdmin('GET', url)).body;
      expect(now).toMatchObject({ accessTokenTTL: 100 + round, accessTokenNumUsesLimit: round });
      expect(now.clientSecretTrustedIps).toEqual([{ type: 'ipv4', ipAddress: ip, prefix: 32 }]);
    }
  });
});

describe('the audit', () => {
  test('an admin of one environment reads the audit of that one alone', async () => {
    const roles = [{ role: 'admin', environments: ['dev'] }];
    const { token } = await server.machine('admin-of-dev', {
      organizationId: world.organizationId,
      projectId: world.projectId,
      roles,
    });
    const url = `/api/v1/workspace/${world.projectId}/audit-logs`;
    expectDocumented(await server.send('GET', url, { token }), 403);
    expectDocumented(await server.send('GET', `${url}?environment=production`, { token }), 403);
    const own = await server.send('GET', `${url}?environment=dev`, { token });
    expect(own.status).toBe(200);
    expect(new Set(own.body.auditLogs.map((log: { environment: string }) => log.environment))).toEqual(
      new Set(['dev']),
    );
  });

  test('a recovery session is seen by the admins it concerns', async () => {
    const path = '/api/v1/admin/recovery-session';
    const body = { email: 'z@hanzo.ai' };
    const proof = { 'x-kms-proof': server.proof('POST', path, body) };
    expect((await server.send('POST', path, { body, headers: proof })).status).toBe(200);
    const query = `/api/v1/audit-logs?organizationId=${server.organizationId}&eventType=recovery-session`;
    expect((await asAdmin('GET', query)).body.auditLogs).toEqual([
      expect.objectContaining({ who: 'z@hanzo.ai', action: 'login' }),
    ]);
  });
});

test('a right that ends while an old version is read shows nothing', async () => {
  let pause: () => Promise<unknown> = async () => undefined;
  const paused = await startServer({ beforeFill: async () => void (await pause()) });
  try {
    const { id: projectId } = await paused.project('history');
    await paused.setSecrets(projectId, 'dev', { KEY: 'first' });
    const reader = await paused.machine('reader', { projectId, roles: [{ role: 'viewer' }] });
    const read = () =>
      paused.send('GET', `/api/v4/secrets/KEY?projectId=${projectId}&environment=dev&version=1`, {
        token: reader.token,
      });
    expect((await read()).status).toBe(200);
    await paused.setSecrets(projectId, 'dev', { OTHER: 'makes the answer in memory stale' });
    pause = () => paused.sql.query('delete from project_memberships where actor_id = $1', [reader.id]);
    const answer = await read();
    expectDocumented(answer, 403);
    expect(answer.text).not.toContain('first');
  } finally {
    await paused.close();
  }
});
