import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

/** Ways around: somebody who may manage roles and members, and wants more than it holds. */

let server: TestServer;
let project: { id: string };
let climber: Machine;
let accomplice: Machine;
let group: { id: string };

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  for (const environment of ['dev', 'prod']) await server.setSecrets(project.id, environment, { KEY: 'x' });
  accomplice = await server.machine('accomplice', { projectId: project.id, roles: [{ role: 'no-access' }] });
  group = await server.do('POST', '/api/v1/groups', {
    body: { name: 'Night shift', organizationId: server.organizationId },
  });
  await server.do('POST', `/api/v1/groups/${group.id}/machine-identities/${accomplice.id}`);
});
afterAll(() => server.close());

const base = () => `/api/v1/projects/${project.id}`;
const all = ['read', 'create', 'edit', 'delete'];
const secrets = (conditions?: object, more: object = {}) => ({
  subject: 'secrets',
  action: ['read'],
  conditions,
  ...more,
});
const dev = { environment: { $eq: 'dev' } };
/** May run the project's members and roles, and read secrets of dev below /app. */
const MANAGER = [
  ...['role', 'member', 'identity', 'groups'].map((subject) => ({ subject, action: all })),
  secrets({ ...dev, secretPath: { $glob: '/app/**' } }),
];
let count = 0;
async function newRole(permissions: unknown[]): Promise<{ id: string; slug: string }> {
  const body = { slug: `r-${++count}`, name: 'A role', permissions };
  return (await server.do('POST', `${base()}/roles`, { body })).role;
}
let own: { id: string; slug: string };

beforeEach(async () => {
  own = await newRole(MANAGER);
  climber = await server.machine(`climber-${count}`, { projectId: project.id, roles: [{ role: own.slug }] });
});

async function state(): Promise<unknown> {
  const { rows } = await server.sql.query(`
    select m.id::text, coalesce(m.actor_id, m.group_id)::text as holder, r.role, r.environments::text, r.expires_at::text, c.permissions::text
      from project_memberships m join project_membership_roles r on r.membership_id = m.id
      left join project_roles c on c.id = r.custom_role_id
    union all select id::text, slug, null, null, null, permissions::text from project_roles
    order by 1, 2, 3, 4, 5, 6`);
  return rows;
}

async function refused(method: string, url: string, body?: object, by = climber): Promise<string> {
  const before = await state();
  const answer = await server.send(method, url, { token: by.token, body });
  expect([answer.status, answer.body.error], answer.text).toEqual([403, 'PermissionDenied']);
  expect(await state()).toEqual(before);
  return answer.body.message;
}

describe('writing a role', () => {
  test.each<{ what: string; permissions: unknown[] }>([
    { what: 'another environment', permissions: [secrets({ environment: 'prod' })] },
    { what: 'every environment', permissions: [secrets()] },
    { what: 'every path of dev', permissions: [secrets(dev)] },
    { what: 'a wider path', permissions: [secrets({ ...dev, secretPath: { $glob: '/app*/**' } })] },
    { what: 'the path beside', permissions: [secrets({ ...dev, secretPath: { $eq: '/application' } })] },
    { what: 'one key everywhere', permissions: [secrets({ ...dev, secretName: 'KEY' })] },
    { what: 'another action', permissions: [secrets({ ...dev, secretPath: '/app' }, { action: ['edit'] })] },
    { what: 'another subject', permissions: [{ subject: 'audit-logs', action: ['read'] }] },
    { what: 'the project', permissions: [{ subject: 'workspace', action: ['delete'] }] },
    { what: 'a list of environments', permissions: [secrets({ environment: { $in: ['dev', 'prod'] } })] },
    { what: 'everything but prod', permissions: [secrets({ environment: { $ne: 'prod' } })] },
    { what: 'a glob of environments', permissions: [secrets({ environment: { $glob: 'd*' } })] },
    {
      what: 'much, with a rule that forbids a part',
      permissions: [secrets(), secrets({ environment: 'prod' }, { inverted: true })],
    },
    { what: 'a subject that means nothing yet', permissions: [{ subject: 'dynamic-secrets', action: ['lease'] }] },
    { what: 'the right to give privileges', permissions: [{ subject: 'member', action: ['grant-privileges'] }] },
  ])('$what is beyond', async ({ permissions }) => {
    const { id } = await newRole([]);
    await refused('POST', `${base()}/roles`, { slug: `mine-${++count}`, name: 'Mine', permissions });
    await refused('PATCH', `${base()}/roles/${id}`, { permissions });
    // The role that one holds oneself.
    const message = await refused('PATCH', `${base()}/roles/${own.id}`, { permissions: [...MANAGER, ...permissions] });
    expect(message).toContain(`climber-`);
  });

  test.each<{ what: string; permissions: unknown[] }>([
    { what: 'the same', permissions: MANAGER },
    { what: 'a folder below', permissions: [secrets({ ...dev, secretPath: { $glob: '/app/db/**' } })] },
    { what: 'one folder', permissions: [secrets({ ...dev, secretPath: '/app' })] },
    { what: 'one key of it', permissions: [secrets({ ...dev, secretPath: '/app', secretName: 'KEY' })] },
    {
      what: 'the half of an action',
      permissions: [secrets({ ...dev, secretPath: '/app' }, { action: ['describeSecret'] })],
    },
    { what: 'a rule that forbids', permissions: [secrets(undefined, { inverted: true })] },
    { what: 'nothing', permissions: [] },
  ])('$what is not', async ({ permissions }) => {
    const body = { slug: `mine-${++count}`, name: 'Mine', permissions };
    expect((await server.send('POST', `${base()}/roles`, { token: climber.token, body })).status).toBe(200);
  });
});

describe('giving a role', () => {
  const member = () => `${base()}/identity-memberships/${accomplice.id}`;

  test.each(['admin', 'developer', 'viewer', 'ci'])('%s is given by nobody who holds less', async (role) => {
    await refused('PATCH', member(), { roles: [{ role }] });
    await refused('PATCH', `${base()}/identity-memberships/${climber.id}`, { roles: [{ role }] });
    const newcomer = await server.machine(`newcomer-${++count}`);
    await refused('POST', `${base()}/identity-memberships/${newcomer.id}`, { role });
    await refused('POST', `${base()}/groups/${group.id}`, { role });
    const email = `person-${count}@example.com`;
    await server.do('POST', `/api/v2/organizations/${server.organizationId}/memberships`, { body: { email } });
    await refused('POST', `${base()}/memberships`, { emails: [email], roleSlugs: [role] });
  });

  test('a role on time, or limited to an environment, is a role', async () => {
    const range = { isTemporary: true, temporaryMode: 'relative', temporaryRange: '1s' };
    await refused('PATCH', member(), { roles: [{ role: 'admin', ...range }] });
    await refused('PATCH', member(), {
      roles: [{ role: 'admin', ...range, temporaryAccessStartTime: '2001-01-01T00:00:00Z' }],
    });
    await refused('PATCH', member(), { roles: [{ role: 'viewer', environments: ['dev'] }] });
    await refused('PATCH', member(), { roles: [{ role: own.slug }, { role: 'viewer', environments: ['prod'] }] });
  });

  test('a custom role of others is compared by what it says', async () => {
    const { slug } = await newRole([secrets({ environment: 'prod' })]);
    await refused('PATCH', member(), { roles: [{ role: slug }] });
    const mine = await newRole([secrets({ ...dev, secretPath: '/app' })]);
    const given = await server.send('PATCH', member(), {
      token: climber.token,
      body: { roles: [{ role: mine.slug }] },
    });
    expect(given.status, given.text).toBe(200);
    // Given now, it is widened by nobody who holds less.
    await refused('PATCH', `${base()}/roles/${mine.id}`, { permissions: [secrets(dev)] });
  });

  test('those who hold more are neither changed nor removed', async () => {
    const admin = await server.machine(`admin-${++count}`, { projectId: project.id, roles: [{ role: 'admin' }] });
    await refused('PATCH', `${base()}/identity-memberships/${admin.id}`, { roles: [{ role: 'no-access' }] });
    await refused('DELETE', `${base()}/identity-memberships/${admin.id}`);
    const { id } = await newRole([secrets({ environment: 'prod' })]);
    await refused('PATCH', `${base()}/roles/${id}`, { permissions: [] });
  });
});

describe('a group', () => {
  test('is made and filled by admins of the organization alone', async () => {
    const body = { name: 'Mine', organizationId: server.organizationId };
    await refused('POST', '/api/v1/groups', body);
    await refused('POST', `/api/v1/groups/${group.id}/machine-identities/${climber.id}`);
    await refused('DELETE', `/api/v1/groups/${group.id}/machine-identities/${accomplice.id}`);
    await refused('PATCH', `/api/v1/groups/${group.id}`, { role: 'member' });
    await refused('DELETE', `/api/v1/groups/${group.id}`);
  });

  test('that holds more is not changed, and none gets more', async () => {
    const other = await server.do('POST', '/api/v1/groups', {
      body: { name: `Admins ${++count}`, organizationId: server.organizationId },
    });
    await server.do('POST', `${base()}/groups/${other.id}`, { body: { role: 'admin' } });
    await refused('PATCH', `${base()}/groups/${other.id}`, { roles: [{ role: 'viewer' }] });
    await refused('DELETE', `${base()}/groups/${other.id}`);
  });
});

describe('a rule that forbids', () => {
  let forbidding: { id: string; slug: string };
  let bound: Machine;

  /** Somebody who manages members and holds what MANAGER does, but for one folder that a second role forbids. */
  beforeEach(async () => {
    forbidding = await newRole([secrets({ secretPath: { $glob: '/app/secret/**' } }, { inverted: true })]);
    bound = await server.machine(`bound-${++count}`, {
      projectId: project.id,
      roles: [{ role: own.slug }, { role: forbidding.slug }],
    });
  });

  test('is lifted by nobody whom it binds', async () => {
    const self = `${base()}/identity-memberships/${bound.id}`;
    await refused('PATCH', self, { roles: [{ role: own.slug }] }, bound);
    await refused('PATCH', `${base()}/roles/${forbidding.id}`, { permissions: [] }, bound);
    const range = { isTemporary: true, temporaryRange: '1s' };
    await refused('PATCH', self, { roles: [{ role: own.slug }, { role: forbidding.slug, ...range }] }, bound);
    await refused(
      'PATCH',
      self,
      { roles: [{ role: own.slug }, { role: forbidding.slug, environments: ['prod'] }] },
      bound,
    );
    await refused('DELETE', self, undefined, bound);
  });

  test.each<{ what: string; later?: boolean }>([{ what: 'for a while' }, { what: 'from tomorrow on', later: true }])(
    '$what narrows nothing that lasts',
    async ({ later }) => {
      const start = later ? { temporaryAccessStartTime: new Date(Date.now() + 86_400_000).toISOString() } : {};
      const passing = { role: forbidding.slug, isTemporary: true, temporaryRange: '1s', ...start };
      const member = `${base()}/identity-memberships/${accomplice.id}`;
      await refused('PATCH', member, { roles: [{ role: own.slug }, passing] }, bound);
      // Two that end at different times.
      const longer = { role: own.slug, isTemporary: true, temporaryRange: '1h' };
      await refused('PATCH', member, { roles: [longer, passing] }, bound);
      const both = await server.send('PATCH', member, {
        token: bound.token,
        body: { roles: [longer, { role: forbidding.slug }] },
      });
      expect(both.status, both.text).toBe(200);
    },
  );

  test('narrows what may be given', async () => {
    const member = `${base()}/identity-memberships/${accomplice.id}`;
    await refused('PATCH', member, { roles: [{ role: own.slug }] }, bound);
    const body = (permissions: unknown[]) => ({ slug: `mine-${++count}`, name: 'Mine', permissions });
    await refused('POST', `${base()}/roles`, body([secrets({ ...dev, secretPath: '/app/secret' })]), bound);
    const beside = body([secrets({ ...dev, secretPath: '/app/open' })]);
    expect((await server.send('POST', `${base()}/roles`, { token: bound.token, body: beside })).status).toBe(200);
  });

  test('binds a project admin, and no admin of the organization', async () => {
    const admin = await server.machine(`admin-${++count}`, {
      projectId: project.id,
      roles: [{ role: 'admin' }, { role: forbidding.slug }],
    });
    const everything = await newRole([secrets({ environment: { $eq: 'dev' } }, { inverted: true })]);
    await refused('PATCH', `${base()}/identity-memberships/${admin.id}`, { roles: [{ role: 'admin' }] }, admin);
    const boss = await server.machine(`boss-${++count}`, {
      role: 'admin',
      projectId: project.id,
      roles: [{ role: everything.slug }],
    });
    const read = await server.send('GET', `/api/v4/secrets?projectId=${project.id}&environment=dev`, {
      token: boss.token,
    });
    expect(read.status).toBe(200);
  });
});

test('an admin limited to an environment gives nothing', async () => {
  const limited = await server.machine(`limited-${++count}`, {
    projectId: project.id,
    roles: [{ role: 'admin', environments: ['dev'] }],
  });
  const newcomer = await server.machine(`newcomer-${++count}`);
  const url = `${base()}/identity-memberships/${newcomer.id}`;
  await refused('POST', url, { roles: [{ role: 'viewer', environments: ['dev'] }] }, limited);
  await refused('POST', `${base()}/roles`, { slug: `mine-${count}`, name: 'Mine', permissions: [] }, limited);
});

test('a refusal to give is in the audit, with the rule', async () => {
  await refused('POST', `${base()}/roles`, { slug: `mine-${++count}`, name: 'Mine', permissions: [secrets()] });
  const { rows } = await server.sql.query(
    `select event, outcome, metadata from audit_log where actor_id = $1 and outcome = 'refused' order by at desc limit 1`,
    [climber.id],
  );
  expect(rows).toEqual([
    {
      event: 'create-project-role',
      outcome: 'refused',
      metadata: { beyond: { subject: 'secrets', action: ['read'] } },
    },
  ]);
});
