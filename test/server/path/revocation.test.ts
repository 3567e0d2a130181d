import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { LIST, reader, readsOf } from './readers.ts';
import { revocations } from './revocations.ts';

let server: TestServer;
let project: { id: string };
/** What happens between the check and the fill of the next read that memory cannot answer. */
let inThePause: (() => Promise<unknown>) | undefined;
let machines = 0;

beforeAll(async () => {
  server = await startServer({
    beforeFill: async () => {
      const work = inThePause;
      inThePause = undefined;
      await work?.();
    },
  });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { DATABASE_URL: 'value-of-the-database-url' });
});
afterAll(() => server.close());

const machine = () => reader(server, `service-${++machines}`, project.id);

/** Refused as `expected`, with no value, and without an audit record that says it was read. */
async function expectRefused(token: string, actorId: string, expected: { status: number; message: RegExp }) {
  const before = await readsOf(server, actorId);
  const { status, body, text } = await server.send('GET', LIST, { token });
  expect({ status, message: body.message }).toEqual({
    status: expected.status,
    message: expect.stringMatching(expected.message),
  });
  expect(text).not.toContain('value-of');
  expect(await readsOf(server, actorId)).toBe(before);
}

test.each(revocations)('$name between check and fill reads nothing', async ({ apply, ...expected }) => {
  const caller = await machine();
  let paused = false;
  inThePause = async () => {
    paused = true;
    await apply(server, caller, project.id);
  };
  await expectRefused(caller.token, caller.id, expected);
  expect(paused).toBe(true);
  expect(await readsOf(server, caller.id)).toBe(0);
});

test.each(revocations)('$name takes effect on the next request', async ({ apply, ...expected }) => {
  const caller = await machine();
  for (const source of ['database', 'memory']) {
    const { status, text } = await server.send('GET', LIST, { token: caller.token });
    expect({ source, status, text }).toMatchObject({ source, status: 200, text: expect.stringContaining('value-of') });
  }
  await apply(server, caller, project.id);
  await expectRefused(caller.token, caller.id, expected);
});

// Nothing is written in the project as these end, so its change id stays: the grants alone tell.
test.each<{ name: string; make: () => Promise<Machine>; end: (caller: Machine) => Promise<unknown> }>([
  {
    name: 'a temporary role',
    make: () =>
      server.machine(`service-${++machines}`, {
        projectId: project.id,
        roles: [{ role: 'viewer', isTemporary: true, temporaryRange: '5s' } as { role: string }],
      }),
    // Time fires no trigger, so it has to pass, by the clock of the database that judges.
    end: ({ id }) =>
      server.sql.query(
        `select pg_sleep_until(r.expires_at + interval '10 milliseconds') from project_membership_roles r
           join project_memberships m on m.id = r.membership_id where m.actor_id = $1`,
        [id],
      ),
  },
  {
    name: 'the role of an organization admin',
    make: () => server.machine(`service-${++machines}`, { role: 'admin' }),
    end: ({ id }) => server.do('PATCH', `/api/v1/identities/${id}`, { body: { role: 'member' } }),
  },
])('$name ends for answers in memory too', async ({ make, end }) => {
  const caller = await make();
  for (const source of ['database', 'memory']) {
    expect((await server.send('GET', LIST, { token: caller.token })).status, source).toBe(200);
  }
  await end(caller);
  await expectRefused(caller.token, caller.id, { status: 403, message: /its roles there are: none/ });
});

test('a role gained between check and fill is answered with', async () => {
  const caller = await machine();
  inThePause = () =>
    server.do('PATCH', `/api/v2/workspace/${project.id}/identity-memberships/${caller.id}`, {
      body: { roles: [{ role: 'viewer' }] },
    });
  const { status, body } = await server.send('GET', LIST, { token: caller.token });
  expect({ status, keys: body.secrets.map((secret: any) => secret.secretKey) }).toEqual({
    status: 200,
    keys: ['DATABASE_URL'],
  });
  expect(await readsOf(server, caller.id)).toBe(1);
});

test('a value written between check and fill is the one answered', async () => {
  const caller = await machine();
  const other = await server.project('billing');
  await server.setSecrets(other.id, 'prod', { KEY: 'before' });
  await server.do('POST', `/api/v2/workspace/${other.id}/identity-memberships/${caller.id}`, {
    body: { roles: [{ role: 'viewer' }] },
  });
  inThePause = () =>
    server.do('PATCH', '/api/v4/secrets/KEY', {
      body: { projectId: other.id, environment: 'prod', secretValue: 'after' },
    });
  const url = LIST.replace('gateway', 'billing');
  for (const source of ['database', 'memory']) {
    const { body } = await server.send('GET', url, { token: caller.token });
    expect(body.secrets[0].secretValue, source).toBe('after');
  }
});

async function limited(uses: number) {
  const caller = await machine();
  await server.do('PATCH', `/api/v1/auth/universal-auth/identities/${caller.id}`, {
    body: { accessTokenNumUsesLimit: uses },
  });
  return { ...caller, token: await server.login(caller.clientId, caller.clientSecret) };
}

test('a token with three uses reads three times', async () => {
  const caller = await limited(3);
  for (let use = 1; use <= 3; use++) expect((await server.send('GET', LIST, { token: caller.token })).status).toBe(200);
  await expectRefused(caller.token, caller.id, { status: 401, message: /used as often as it may/ });
  expect(await readsOf(server, caller.id, 'refused')).toBe(1);
});

test('reads at once take no more uses than there are', async () => {
  const caller = await limited(7);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => server.send('GET', LIST, { token: caller.token })),
  );
  // One that waits for the fill of another starts over: that is still one use.
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
  expect(answers.filter(({ status }) => status === 401)).toHaveLength(13);
  expect(await readsOf(server, caller.id)).toBe(7);
});

test('a read that starts over takes one use', async () => {
  const caller = await limited(1);
  inThePause = () =>
    server.do('PATCH', `/api/v2/workspace/${project.id}/identity-memberships/${caller.id}`, {
      body: { roles: [{ role: 'viewer' }] },
    });
  expect((await server.send('GET', LIST, { token: caller.token })).status).toBe(200);
});

test('a slug of two organizations is narrowed by one', async () => {
  const other = await server.organization('lux');
  const twin = await server.project('gateway', other.id);
  await server.setSecrets(twin.id, 'prod', { LUX: 'lux' });
  const ambiguous = await server.send('GET', LIST, { token: server.admin });
  expect({ status: ambiguous.status, message: ambiguous.body.message }).toEqual({
    status: 400,
    message: 'project "gateway" exists in 2 of your organizations; name it by its id',
  });
  const { status, body } = await server.send('GET', `${LIST}&organizationId=${other.id}`, { token: server.admin });
  expect({ status, keys: body.secrets?.map((secret: any) => secret.secretKey) }).toEqual({
    status: 200,
    keys: ['LUX'],
  });
});
