import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string };
let developer: Machine;
let projectAdmin: Machine;
let role: { id: string };

const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const forbidden = {
  subject: 'secrets',
  action: ['readValue'],
  conditions: { secretName: { $glob: '*_KEY' } },
  inverted: true,
};

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { API_KEY: 'x', URL: 'y' });
  developer = await server.machine('developer', { projectId: project.id, roles: [{ role: 'developer' }] });
  projectAdmin = await server.machine('lead', { projectId: project.id, roles: [{ role: 'admin' }] });
  const body = { slug: 'no-keys', name: 'No keys', permissions: [forbidden] };
  role = (await server.do('POST', `/api/v1/projects/${project.id}/roles`, { body })).role;
  const group = { name: 'Interns', slug: 'interns', organizationId: server.organizationId };
  const { id } = await server.do('POST', '/api/v1/groups', { body: group });
  await server.do('POST', `/api/v1/projects/${project.id}/groups/${id}`, { body: { role: 'no-keys' } });
  await server.do('POST', `/api/v1/groups/${id}/machine-identities/${developer.id}`);
});
afterAll(() => server.close());

const url = (asked: Record<string, string>) =>
  `/api/v1/projects/${project.id}/access/explain?${new URLSearchParams(asked)}`;
const explain = (asked: Record<string, string>, token = projectAdmin.token) => server.do('GET', url(asked), { token });

test('an answer names the rule that decides, its role and the group that it came by', async () => {
  const asked = { actorId: developer.id, action: 'read', environment: 'dev', path: '/', key: 'API_KEY' };
  const answer = await explain(asked);
  const none = { active: true, startsAt: null, endsAt: null, environments: null };
  const byGroup = { type: 'group', membershipId: UUID, groupId: UUID, groupName: 'Interns' };
  const direct = { type: 'membership', membershipId: UUID, groupId: null, groupName: null };
  const rule = {
    subject: 'secrets',
    action: ['read', 'create', 'edit', 'delete'],
    conditions: { environment: { $in: ['dev', 'staging'] } },
  };
  expect(answer).toEqual({
    allowed: false,
    reason: `a rule of role "no-keys" by group "Interns" forbids it: ${JSON.stringify(forbidden)}`,
    asked: {
      actor: { id: developer.id, kind: 'identity', name: 'developer' },
      action: 'read',
      subject: 'secrets',
      environment: 'dev',
      path: '/',
      key: 'API_KEY',
      tags: null,
      meaning: 'here',
    },
    decidedBy: [
      { ...none, effect: 'forbids', role: 'no-keys', rule: forbidden, via: byGroup },
      { ...none, effect: 'allows', role: 'developer', rule, via: direct },
    ],
    roles: [
      { ...none, role: 'developer', via: direct },
      { ...none, role: 'no-keys', via: byGroup },
    ],
  });
  const allowed = await explain({ ...asked, key: 'URL' });
  expect([allowed.allowed, allowed.reason]).toEqual([
    true,
    `a rule of role "developer" allows it: ${JSON.stringify(rule)}`,
  ]);
});

test('the answer is what requests get', async () => {
  const outcomes: unknown[] = [];
  const expected: unknown[] = [];
  for (const machine of [developer, projectAdmin]) {
    for (const environment of ['dev', 'prod']) {
      const body = { projectId: project.id, environment, secretValue: 'x' };
      const key = `NEW_${machine.id.slice(0, 4).toUpperCase()}`;
      const { status } = await server.send('POST', `/api/v4/secrets/${key}`, { token: machine.token, body });
      expected.push(status === 200);
      const asked = { actorId: machine.id, action: 'create', environment, path: '/', key };
      outcomes.push((await explain(asked, server.admin)).allowed);
    }
  }
  expect(outcomes).toEqual(expected);
  expect(expected).toEqual([true, false, true, true]);
});

test('an admin of the organization, and somebody without a role', async () => {
  const boss = await server.machine('boss', { role: 'admin' });
  const answer = await explain({ actorId: boss.id, action: 'delete', subject: 'workspace' });
  expect(answer).toMatchObject({ allowed: true, decidedBy: [{ role: 'admin', via: { type: 'organization' } }] });
  const outsider = await server.machine('outsider');
  expect(await explain({ actorId: outsider.id, action: 'read', environment: 'dev' })).toMatchObject({
    allowed: false,
    reason: 'outsider has no role in project "gateway"',
    asked: { meaning: 'somewhere' },
    roles: [],
  });
});

test('a role that is over is shown, and decides nothing', async () => {
  const late = await server.machine('late', {
    projectId: project.id,
    roles: [
      {
        role: 'viewer',
        isTemporary: true,
        temporaryRange: '1s',
        temporaryAccessStartTime: '2001-01-01T00:00:00Z',
      } as { role: string },
    ],
  });
  expect(await explain({ actorId: late.id, action: 'read', environment: 'prod' })).toMatchObject({
    allowed: false,
    reason: 'no rule of the roles of late in project "gateway" allows it',
    roles: [
      { role: 'viewer', active: false, startsAt: '2001-01-01T00:00:00.000Z', endsAt: '2001-01-01T00:00:01.000Z' },
    ],
  });
});

test('everybody may ask about itself, and those who change members about others', async () => {
  const asked = { action: 'read', environment: 'prod' };
  expect(await explain(asked, developer.token)).toMatchObject({
    allowed: false,
    asked: { actor: { name: 'developer' } },
  });
  const other = await server.send('GET', url({ ...asked, actorId: projectAdmin.id }), { token: developer.token });
  expect([other.status, other.body.error]).toEqual([403, 'PermissionDenied']);
  const lux = await server.organization('lux');
  const stranger = await server.machine('stranger', { organizationId: lux.id });
  const [asks, asked404] = [
    await server.send('GET', url(asked), { token: stranger.token }),
    await server.send('GET', url({ ...asked, actorId: stranger.id }), { token: projectAdmin.token }),
  ];
  expect([asks.status, asked404.status]).toEqual([404, 404]);
});

test('a question is in the audit', async () => {
  await explain({ actorId: developer.id, action: 'read', environment: 'dev', path: '/', key: 'URL' });
  const { rows } = await server.sql.query(
    `select outcome, environment, metadata from audit_log where event = 'explain-access' order by at desc limit 1`,
  );
  const metadata = { about: developer.id, action: 'read', subject: 'secrets', path: '/', key: 'URL', allowed: true };
  expect(rows).toEqual([{ outcome: 'allowed', environment: 'dev', metadata }]);
  expect(role.id).toEqual(UUID);
});
