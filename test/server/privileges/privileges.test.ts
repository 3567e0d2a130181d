import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let project: { id: string; slug: string };
let machine: Machine;
let count = 0;

const base = '/api/v2/identity-project-additional-privilege';
const UUID = expect.stringMatching(/^[0-9a-f-]{36}$/);
const TIME = expect.stringMatching(/^\d{4}-.*Z$/);
const readProd = { subject: 'secrets', action: ['read'], conditions: { environment: { $eq: 'prod' } } };
const forever = { isTemporary: false };

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'prod', { KEY: 'x' });
  machine = await server.machine('worker', { projectId: project.id, roles: [{ role: 'no-access' }] });
});
afterAll(() => server.close());

const request = (more: object = {}) => ({
  projectId: project.id,
  identityId: machine.id,
  slug: `own-${++count}`,
  permissions: [readProd],
  type: forever,
  ...more,
});
const read = async () => {
  const url = `/api/v4/secrets?projectId=${project.id}&environment=prod`;
  return (await server.send('GET', url, { token: machine.token })).status;
};

test('an identity has rights of its own as long as they are there', async () => {
  expect(await read()).toBe(403);
  const body = request();
  const { privilege } = await server.do('POST', base, { body });
  expect(privilege).toEqual({
    id: UUID,
    slug: body.slug,
    identityId: machine.id,
    projectId: project.id,
    projectMembershipId: UUID,
    permissions: [readProd],
    isTemporary: false,
    temporaryMode: null,
    temporaryRange: null,
    temporaryAccessStartTime: null,
    temporaryAccessEndTime: null,
    createdAt: TIME,
    updatedAt: TIME,
  });
  expect(await read()).toBe(200);
  expect(await server.do('GET', `${base}/${privilege.id}`)).toEqual({ privilege });
  const named = `${base}/slug/${body.slug}?identityId=${machine.id}&projectSlug=${project.slug}`;
  expect(await server.do('GET', named)).toEqual({ privilege });
  const { permissions: _, ...listed } = privilege;
  const list = `${base}?identityId=${machine.id}&projectId=${project.id}`;
  expect((await server.do('GET', list)).privileges).toEqual([listed]);
  const start = '2001-01-01T00:00:00Z';
  const over = { isTemporary: true, temporaryMode: 'relative', temporaryRange: '1h', temporaryAccessStartTime: start };
  const changed = await server.do('PATCH', `${base}/${privilege.id}`, { body: { slug: 'own', type: over } });
  expect(changed.privilege).toMatchObject({ slug: 'own', temporaryAccessEndTime: '2001-01-01T01:00:00.000Z' });
  expect(await read()).toBe(403);
  await server.do('PATCH', `${base}/${privilege.id}`, { body: { type: forever } });
  expect(await read()).toBe(200);
  await server.do('DELETE', `${base}/${privilege.id}`);
  expect(await read()).toBe(403);
  expect((await server.send('GET', `${base}/${privilege.id}`, { token: server.admin })).status).toBe(404);
});

test('the older address names them by slugs, and is about the same rights', async () => {
  const older = '/api/v1/additional-privilege/identity';
  const owner = { projectSlug: project.slug, identityId: machine.id };
  const slug = `older-${++count}`;
  const { privilege } = await server.do('POST', `${older}/permanent`, {
    body: { ...owner, slug, permissions: [{ ...readProd, action: 'read' }] },
  });
  expect(privilege).toMatchObject({ slug, ...{ identityId: machine.id, projectId: project.id }, isTemporary: false });
  expect(await read()).toBe(200);
  expect(await server.do('GET', `${base}/${privilege.id}`)).toEqual({ privilege });
  const query = `?${new URLSearchParams(owner)}`;
  expect(await server.do('GET', `${older}/${slug}${query}`)).toEqual({ privilege });
  expect(await server.do('GET', older + query)).toEqual({ privileges: [privilege] });
  const over = { isTemporary: true, temporaryRange: '1h', temporaryAccessStartTime: '2001-01-01T00:00:00Z' };
  const named = { ...owner, privilegeSlug: slug };
  const changed = await server.do('PATCH', older, { body: { ...named, privilegeDetails: over } });
  expect(changed.privilege).toMatchObject({
    temporaryAccessEndTime: '2001-01-01T01:00:00.000Z',
    permissions: [readProd],
  });
  expect(await read()).toBe(403);
  const rule = { subject: 'secrets', actions: ['read'], conditions: { environment: 'prod' } };
  const body = { ...named, privilegeDetails: { isTemporary: false, privilegePermission: rule } };
  await server.do('PATCH', older, { body });
  expect(await read()).toBe(200);
  await server.do('DELETE', older, { body: named });
  expect(await read()).toBe(403);
  const passing = { ...owner, privilegePermission: rule, temporaryMode: 'relative', temporaryRange: '1h' };
  const { privilege: made } = await server.do('POST', `${older}/temporary`, { body: passing });
  expect(made).toMatchObject({ isTemporary: true, slug: expect.any(String) });
  expect(await read()).toBe(200);
  await server.do('DELETE', older, { body: { ...owner, privilegeSlug: made.slug } });
  expect((await server.send('GET', `${older}/${slug}${query}`, { token: server.admin })).status).toBe(404);
  const nothing = await server.send('POST', `${older}/permanent`, { token: server.admin, body: owner });
  expect(nothing.status).toBe(422);
});

test('they are no role: not listed with the roles, not given to others, kept when roles are replaced', async () => {
  const body = request();
  const { privilege } = await server.do('POST', base, { body });
  const { roles } = await server.do('GET', `/api/v1/projects/${project.id}/roles`);
  expect(roles.map((role: any) => role.slug)).not.toContain(body.slug);
  const member = `/api/v1/projects/${project.id}/identity-memberships/${machine.id}`;
  const given = await server.send('PATCH', member, { token: server.admin, body: { roles: [{ role: body.slug }] } });
  expect(given.status).toBe(422);
  const { roles: shown } = await server.do('PATCH', member, { body: { roles: [{ role: 'ci' }] } });
  expect(shown.map((role: any) => role.role)).toEqual(['ci']);
  await server.do('PATCH', member, { body: { roles: [{ role: 'no-access' }] } });
  expect(await read()).toBe(200);
  const url = `/api/v1/projects/${project.id}/roles/${privilege.id}`;
  expect((await server.send('DELETE', url, { token: server.admin })).status).toBe(404);
  await server.do('DELETE', `${base}/${privilege.id}`);
});

test('nobody gives more by them than it holds', async () => {
  const slug = `manager-${++count}`;
  const permissions = [{ subject: 'identity', action: ['read', 'create', 'edit', 'delete'] }];
  await server.do('POST', `/api/v1/projects/${project.id}/roles`, { body: { slug, name: 'Manager', permissions } });
  const manager = await server.machine(slug, { projectId: project.id, roles: [{ role: slug }] });
  const { privilege } = await server.do('POST', base, { body: request() });
  const small = await server.do('POST', base, { body: request({ permissions: [] }) });
  for (const [method, url, body] of [
    ['POST', base, request()],
    ['POST', base, request({ identityId: manager.id })],
    ['POST', base, request({ type: { isTemporary: true, temporaryMode: 'relative', temporaryRange: '1s' } })],
    ['PATCH', `${base}/${small.privilege.id}`, { permissions: [readProd] }],
    ['PATCH', `${base}/${privilege.id}`, { permissions: [] }],
    ['DELETE', `${base}/${privilege.id}`, undefined],
  ] as const) {
    const answer = await server.send(method, url, { token: manager.token, body });
    expect([method, answer.status, answer.body.error], answer.text).toEqual([method, 403, 'PermissionDenied']);
  }
  const given = await server.send('POST', base, { token: manager.token, body: request({ permissions }) });
  expect(given.status).toBe(200);
});

test('those who may not change identities change none of it', async () => {
  const none = { slug: `blind-${++count}`, name: 'Blind', permissions: [] };
  await server.do('POST', `/api/v1/projects/${project.id}/roles`, { body: none });
  const viewer = await server.machine('viewer', { projectId: project.id, roles: [{ role: none.slug }] });
  const { id: organizationId } = await server.organization('strangers');
  const stranger = await server.machine('stranger', { organizationId, role: 'admin' });
  const { privilege } = await server.do('POST', base, { body: request() });
  const older = '/api/v1/additional-privilege/identity';
  const owner = { projectSlug: project.slug, identityId: machine.id };
  const named = { ...owner, privilegeSlug: privilege.slug };
  for (const [method, url, body] of [
    ['POST', base, request({ permissions: [] })],
    ['PATCH', `${base}/${privilege.id}`, { permissions: [] }],
    ['DELETE', `${base}/${privilege.id}`, undefined],
    ['GET', `${base}/${privilege.id}`, undefined],
    ['GET', `${older}/${privilege.slug}?${new URLSearchParams(owner)}`, undefined],
    ['GET', `${older}?${new URLSearchParams(owner)}`, undefined],
    ['POST', `${older}/permanent`, { ...owner, permissions: [] }],
    ['POST', `${older}/temporary`, { ...owner, permissions: [], temporaryRange: '1h' }],
    ['PATCH', older, { ...named, privilegeDetails: { permissions: [] } }],
    ['DELETE', older, named],
  ] as const) {
    expect([method, url, (await server.send(method, url, { token: viewer.token, body })).status]).toEqual([
      method,
      url,
      403,
    ]);
    expect((await server.send(method, url, { token: stranger.token, body })).status, `${method} ${url}`).toBe(404);
  }
});
