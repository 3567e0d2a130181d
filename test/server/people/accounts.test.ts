import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Browser, codeOf, invitePerson, PASSWORD } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const NEW = 'eleven grey geese march';
const members = (id = server.organizationId) => `/api/v2/organizations/${id}/memberships`;
let people = 0;
const person = (at: Parameters<typeof invitePerson>[2] = {}) => invitePerson(server, `person-${people++}@hanzo.ai`, at);
const change = (browser: Browser, token: string, oldPassword: string, newPassword: string) =>
  browser.send('POST', '/api/v2/password/user/password-reset', { token, body: { oldPassword, newPassword } });

test('a password is changed by who knows it, and ends every other session', async () => {
  const ada = await person();
  const [here, elsewhere] = [await ada.enter(), await ada.enter()];
  const wrong = await change(ada, here, 'not the present password', NEW);
  expect([wrong.status, wrong.body.message]).toEqual([400, 'the present password is another one; nothing was changed']);
  expect((await change(ada, here, PASSWORD, 'password1234')).status).toBe(422);
  expect((await change(ada, here, PASSWORD, NEW)).status).toBe(200);
  expect((await server.send('GET', members(), { token: here })).status).toBe(200);
  expect((await server.send('GET', members(), { token: elsewhere })).status).toBe(401);
  await expect(ada.login()).rejects.toThrow('401');
  ada.password = NEW;
  await ada.login();
});

test('a name is changed', async () => {
  const ada = await person();
  const body = { firstName: ' Augusta ', lastName: 'King' };
  const { body: answer } = await server.send('PATCH', '/api/v2/users/me/name', { token: await ada.login(), body });
  expect(answer.user).toMatchObject({ id: ada.id, firstName: 'Augusta', lastName: 'King' });
});

const resetUrl = (userId: string) => `/api/v1/admin/user-management/users/${userId}/password-reset`;
const reset = (code: string, newPassword = NEW) =>
  server.send('POST', '/api/v2/password/password-reset', { token: code, body: { newPassword } });

test('a reset is a link that works once and ends every session', async () => {
  const ada = await person();
  await ada.setUpMfa();
  const token = await ada.enter();
  const { link, expiresAt } = await server.do('POST', resetUrl(ada.id));
  expect(Date.parse(expiresAt) - Date.now()).toBeGreaterThan(86_000_000);
  expect((await reset(codeOf(link), 'short')).status).toBe(422);
  expect((await reset(codeOf(link))).status).toBe(200);
  expect((await reset(codeOf(link), PASSWORD)).status).toBe(403);
  expect((await server.send('GET', members(), { token })).status).toBe(401);
  ada.password = NEW;
  // The second factor stays, unless the link was made to take it away.
  expect((await ada.select(await ada.login())).body.isMfaEnabled).toBe(true);
  const both = await server.do('POST', resetUrl(ada.id), { body: { alsoSecondFactor: true } });
  expect((await reset(codeOf(both.link))).status).toBe(200);
  expect((await ada.select(await ada.login())).body.isMfaEnabled).toBe(false);
});

test("a reset takes an admin of all the account's organizations", async () => {
  const ada = await person();
  const boss = await person({ role: 'admin' });
  const token = await boss.enter();
  expect((await server.send('POST', resetUrl(ada.id), { token: await (await person()).enter() })).status).toBe(403);
  const early = (await server.send('POST', resetUrl(ada.id), { token })).body.link;
  // Then the account joins another organization, of which the link's maker is no admin.
  const { id } = await server.organization(`joined-${people}`);
  await server.do('POST', members(id), { body: { email: ada.email } });
  await server.sql.query("update organization_memberships set status = 'accepted' where actor_id = $1", [ada.id]);
  const refused = await server.send('POST', resetUrl(ada.id), { token });
  expect([refused.status, refused.body.message]).toEqual([403, expect.stringContaining('all organizations')]);
  expect((await reset(codeOf(early))).status).toBe(403);
  await ada.login();
});

test("an instance admin's password is reset by one alone", async () => {
  const ada = await person();
  await server.sql.query('update actors set instance_admin = true where id = $1', [ada.id]);
  const token = await (await person({ role: 'admin' })).enter();
  expect((await server.send('POST', resetUrl(ada.id), { token })).status).toBe(403);
  expect((await server.send('POST', resetUrl(ada.id), { token: server.admin })).status).toBe(200);
});

test('deactivated is out at the next request, and back as before', async () => {
  const ada = await person({ projects: [{ id: (await server.project('kept')).id, projectRoleSlug: ['viewer'] }] });
  const token = await ada.enter();
  const url = `${members()}/${ada.membershipId}`;
  const { membership } = await server.do('PATCH', url, { body: { isActive: false } });
  expect([membership.isActive, membership.role]).toEqual([false, 'member']);
  for (const path of [members(), '/api/v1/workspace', '/api/v3/secrets/raw?workspaceSlug=kept&environment=dev']) {
    expect([path, (await server.send('GET', path, { token })).status]).toEqual([path, 401]);
  }
  const refreshed = await ada.send('POST', '/api/v1/auth/token');
  expect(refreshed.body.organizationId).toBeUndefined();
  expect((await ada.select(await ada.login())).status).toBe(404);
  const { body } = await server.send('GET', '/api/v1/organization', { token: await ada.login() });
  expect(body.organizations).toEqual([]);
  await server.do('PATCH', url, { body: { isActive: true } });
  const { memberships } = await server.do('GET', `${url}/project-memberships`);
  expect(memberships).toMatchObject([{ userId: ada.id, project: { slug: 'kept' }, roles: [{ role: 'viewer' }] }]);
  expect((await server.send('GET', members(), { token: await ada.enter() })).status).toBe(200);
});

test('a token that reaches all, as the way back in, loses a deactivated membership too', async () => {
  const ada = await person({ role: 'admin' });
  await server.sql.query('update actors set instance_admin = true where id = $1', [ada.id]);
  const path = '/api/v1/admin/recovery-session';
  const body = { email: ada.email };
  const { accessToken } = await server.do('POST', path, {
    body,
    headers: { 'x-kms-proof': server.proof('POST', path, body) },
  });
  const { id: projectId } = await server.project('recovered');
  const urls = [members(), `/api/v1/projects/${projectId}`, '/api/v2/workspace/recovered'];
  for (const url of urls) expect((await server.send('GET', url, { token: accessToken })).status).toBe(200);
  await server.do('PATCH', `${members()}/${ada.membershipId}`, { body: { isActive: false } });
  for (const url of urls)
    expect([url, (await server.send('GET', url, { token: accessToken })).status]).toEqual([url, 404]);
});

test('who is removed is out at the next request', async () => {
  const ada = await person();
  const token = await ada.enter();
  await server.do('DELETE', `${members()}/${ada.membershipId}`);
  expect((await server.send('GET', members(), { token })).status).toBe(401);
});

test('the last active admin is not deactivated', async () => {
  const { id } = await server.organization('one-admin');
  const [ada, grace] = [
    await person({ organizationId: id, role: 'admin' }),
    await person({ organizationId: id, role: 'admin' }),
  ];
  await server.sql.query(
    'delete from organization_memberships where organization_id = $1 and actor_id not in ($2, $3)',
    [id, ada.id, grace.id],
  );
  const token = await ada.enter(id);
  const deactivate = (who: { membershipId: string }) =>
    server.send('PATCH', `${members(id)}/${who.membershipId}`, { token, body: { isActive: false } });
  expect((await deactivate(grace)).status).toBe(200);
  const last = await deactivate(ada);
  expect([last.status, last.body.message]).toEqual([400, expect.stringContaining('last admin')]);
});

test('an account is deleted by its person, with all its tokens', async () => {
  const ada = await person();
  const token = await ada.enter();
  const { status, body } = await server.send('DELETE', '/api/v2/users/me', { token });
  expect([status, body.user.email]).toEqual([200, ada.email]);
  expect((await server.send('GET', members(), { token })).status).toBe(401);
  await expect(ada.login()).rejects.toThrow('401');
});

test('the last admin of an organization, or of the instance, stays', async () => {
  const { id } = await server.organization('stays');
  const ada = await person({ organizationId: id, role: 'admin' });
  await server.sql.query('delete from organization_memberships where organization_id = $1 and actor_id <> $2', [
    id,
    ada.id,
  ]);
  const refused = await server.send('DELETE', '/api/v2/users/me', { token: await ada.login() });
  expect([refused.status, refused.body.message]).toEqual([
    400,
    expect.stringContaining('last admin of the organization'),
  ]);
  const grace = await person();
  await server.sql.query('update actors set instance_admin = (id = $1)', [grace.id]);
  const kept = await server.send('DELETE', '/api/v2/users/me', { token: await grace.login() });
  expect([kept.status, kept.body.message]).toEqual([400, expect.stringContaining('last admin of this instance')]);
});

test("an instance admin's powers come with an organization, and not with the account", async () => {
  const ada = await person({ role: 'admin' });
  await server.sql.query('update actors set instance_admin = true where id = $1', [ada.id]);
  await ada.setUpMfa();
  const create = (token: string, name: string) =>
    server.send('POST', '/api/v2/organizations', { token, body: { name } });
  expect((await create(await ada.login(), 'Too early')).status).toBe(403);
  expect((await create(await ada.enter(), 'In time')).status).toBe(200);
});
