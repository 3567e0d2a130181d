import { afterAll, beforeAll, expect, test } from 'vitest';
import { Browser, codeOf, inviteCode, invitePerson, PASSWORD } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ siteUrl: 'https://kms.example.com/' });
});
afterAll(() => server.close());

const complete = (email: string, code: string, more: object = {}) =>
  server.send('POST', '/api/v3/signup/complete-account/invite', {
    token: code,
    body: { email, password: PASSWORD, firstName: 'Grace', lastName: 'Hopper', ...more },
  });
const verify = (email: string, code: string, organizationId = server.organizationId) =>
  server.send('POST', '/api/v1/invite-org/verify', { body: { email, code, organizationId } });
const membersOf = async (organizationId: string) =>
  (await server.do('GET', `/api/v2/organizations/${organizationId}/memberships`)).users;

test('a person is invited by a link, signs up and has what was promised', async () => {
  const project = await server.project('gateway');
  const body = {
    inviteeEmails: ['Grace@hanzo.ai'],
    organizationId: server.organizationId,
    projects: [{ id: project.id, projectRoleSlug: ['viewer'] }],
  };
  const invited = await server.do('POST', '/api/v1/invite-org/signup', { body });
  const [{ email, link }] = invited.completeInviteLinks;
  expect([email, link]).toEqual([
    'grace@hanzo.ai',
    expect.stringMatching(
      new RegExp(
        `^https://kms\\.example\\.com/signupinvite\\?token=[A-Za-z0-9_-]{43}&to=grace%40hanzo\\.ai&organization_id=${server.organizationId}$`,
      ),
    ),
  ]);
  const code = codeOf(link);
  const verified = await verify(email, code);
  expect([verified.status, verified.body]).toEqual([
    200,
    { message: expect.any(String), token: code, user: expect.objectContaining({ email, isAccepted: false }) },
  ]);
  const done = await complete(email, verified.body.token);
  expect([done.status, done.body]).toEqual([
    200,
    {
      message: 'Successfully set up account',
      user: expect.objectContaining({ email, firstName: 'Grace', lastName: 'Hopper', isAccepted: true }),
      token: expect.any(String),
    },
  ]);
  const entered = await server.send('POST', '/api/v3/auth/select-organization', {
    token: done.body.token,
    body: { organizationId: server.organizationId },
  });
  const { token } = entered.body;
  expect(
    (await server.send('GET', `/api/v3/secrets/raw?workspaceId=${project.id}&environment=prod`, { token })).status,
  ).toBe(200);
  const made = await server.send('POST', '/api/v3/secrets/raw/X', {
    token,
    body: { workspaceId: project.id, environment: 'dev', secretValue: 'x' },
  });
  expect(made.status).toBe(403);
});

test('an invitation gives nothing before it is accepted', async () => {
  await inviteCode(server, 'waiting@hanzo.ai', { role: 'admin' });
  const member = (await membersOf(server.organizationId)).find((one: any) => one.inviteEmail === 'waiting@hanzo.ai');
  expect(member).toMatchObject({ status: 'invited', role: 'admin' });
  // Not even as the admin that an organization has to keep.
  const path = '/api/v1/admin/recovery-session';
  const body = { email: 'waiting@hanzo.ai' };
  await server.sql.query('update actors set instance_admin = true where id = $1', [member.userId]);
  const headers = { 'x-kms-proof': server.proof('POST', path, body) };
  const { accessToken } = await server.do('POST', path, { body, headers });
  await server.sql.query('update actors set instance_admin = false where id = $1', [member.userId]);
  const url = `/api/v1/organization/${server.organizationId}`;
  expect((await server.send('GET', url, { token: accessToken })).status).toBe(404);
});

test('a link works once, also for two at once', async () => {
  const code = await inviteCode(server, 'once@hanzo.ai');
  const answers = await Promise.all([complete('once@hanzo.ai', code), complete('once@hanzo.ai', code)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 403]);
  expect((await complete('once@hanzo.ai', code)).status).toBe(403);
});

test.each([
  [
    'it has expired',
    (code: string) => server.sql.query('update one_time_links set expires_at = now()').then(() => code),
  ],
  [
    'a new one was made',
    async (code: string) => {
      await inviteCode(server, 'ended@hanzo.ai');
      return code;
    },
  ],
  ['it is another one', async () => 'A'.repeat(43)],
  ['it is empty', async () => ''],
])('a link does not hold when %s', async (_, end) => {
  const code = await end(await inviteCode(server, 'ended@hanzo.ai'));
  const [checked, done] = [await verify('ended@hanzo.ai', code), await complete('ended@hanzo.ai', code, { code })];
  expect([checked.status, done.status, done.body.message]).toEqual([
    403,
    403,
    'this invitation does not hold: it was used, has expired, was replaced, or is for another address',
  ]);
});

test('a link is for its own address and organization', async () => {
  const code = await inviteCode(server, 'mine@hanzo.ai');
  const { id } = await server.organization('elsewhere');
  expect((await verify('thine@hanzo.ai', code)).status).toBe(403);
  expect((await verify('mine@hanzo.ai', code, id)).status).toBe(403);
  expect((await complete('thine@hanzo.ai', code)).status).toBe(403);
  // A reset's link is no invitation, and the reverse.
  expect(
    (await server.send('POST', '/api/v2/password/password-reset', { body: { newPassword: PASSWORD, code } })).status,
  ).toBe(403);
});

test("whoever invites an address does not get at its owner's other organizations", async () => {
  const victim = await invitePerson(server, 'victim@hanzo.ai');
  const { id } = await server.organization('attackers');
  const attacker = (await server.machine('attacker', { organizationId: id, role: 'admin' })).token;
  const code = await inviteCode(server, victim.email, { organizationId: id, by: attacker });
  const [checked, done] = [await verify(victim.email, code, id), await complete(victim.email, code)];
  expect([checked.status, checked.body.message]).toEqual([403, expect.stringContaining('log in and accept')]);
  expect(done.status).toBe(403);
  await victim.login();
  // Nor may they reset its password.
  const reset = `/api/v1/admin/user-management/users/${victim.id}/password-reset`;
  expect((await server.send('POST', reset, { token: attacker })).status).toBe(404);
  // The owner may accept, of their own will and nobody else's.
  const accept = (token: string) =>
    server.send('POST', '/api/v1/invite-org/accept', { token, body: { organizationId: id, code } });
  const other = await invitePerson(server, 'bystander@hanzo.ai');
  expect((await accept(await other.login())).status).toBe(403);
  expect((await accept(await victim.login())).status).toBe(200);
  expect((await victim.select(await victim.login(), id)).status).toBe(200);
  expect((await server.send('POST', reset, { token: attacker })).status).toBe(403);
});

test('whoever made an account first gets nothing that its address is given later', async () => {
  // The attackers invite somebody else's address and take the account themselves.
  const { id } = await server.organization('first');
  const squatter = await invitePerson(server, 'owner@example.com', { organizationId: id });
  const members = `/api/v2/organizations/${server.organizationId}/memberships`;
  const { membership } = await server.do('POST', members, { body: { email: squatter.email, role: 'admin' } });
  expect(membership.status).toBe('invited');
  expect((await squatter.select(await squatter.login())).status).toBe(404);
  const { body } = await server.send('GET', '/api/v1/organization', { token: await squatter.login() });
  expect(body.organizations.map((organization: any) => organization.slug)).toEqual(['first']);
  // An account that two organizations have added is set up by neither alone.
  const bare = 'bare@example.com';
  const code = await inviteCode(server, bare, { organizationId: id });
  await server.do('POST', members, { body: { email: bare } });
  expect((await complete(bare, code)).status).toBe(403);
});

test.each([
  { role: 'member', status: 403 },
  { role: 'no-access', status: 403 },
])('a $role invites nobody', async ({ role, status }) => {
  const { token } = await server.machine(`inviting-${role}`, { role });
  const body = {
    inviteeEmails: ['friend@hanzo.ai'],
    organizationId: server.organizationId,
    organizationRoleSlug: 'admin',
  };
  expect((await server.send('POST', '/api/v1/invite-org/signup', { token, body })).status).toBe(status);
  await inviteCode(server, `again-${role}@hanzo.ai`);
  const waiting = (await membersOf(server.organizationId)).find(
    (one: any) => one.inviteEmail === `again-${role}@hanzo.ai`,
  );
  const again = { token, body: { membershipId: waiting.id } };
  expect((await server.send('POST', '/api/v1/invite-org/signup-resend', again)).status).toBe(status);
});

test("an invitation reaches no other organization's project", async () => {
  const { id } = await server.organization('projects');
  const project = await server.project('theirs', id);
  const body = {
    inviteeEmails: ['reach@hanzo.ai'],
    organizationId: server.organizationId,
    projects: [{ id: project.id, projectRoleSlug: ['admin'] }],
  };
  const answer = await server.send('POST', '/api/v1/invite-org/signup', { token: server.admin, body });
  expect([answer.status, answer.body.message]).toEqual([404, `project "${project.id}" not found`]);
  expect((await server.sql.query("select from users where email = 'reach@hanzo.ai'")).rowCount).toBe(0);
});

test('a new link is made for who has not come yet', async () => {
  const old = await inviteCode(server, 'slow@hanzo.ai');
  const waiting = (await membersOf(server.organizationId)).find((one: any) => one.inviteEmail === 'slow@hanzo.ai');
  const again = { body: { membershipId: waiting.id } };
  const { signupToken } = await server.do('POST', '/api/v1/invite-org/signup-resend', again);
  expect((await complete('slow@hanzo.ai', old)).status).toBe(403);
  expect((await complete('slow@hanzo.ai', codeOf(signupToken.link))).status).toBe(200);
  const late = await server.send('POST', '/api/v1/invite-org/signup-resend', { token: server.admin, ...again });
  expect([late.status, late.body.message]).toEqual([409, 'slow@hanzo.ai is a member already']);
  const { token } = await server.machine('other', {
    organizationId: (await server.organization('resend')).id,
    role: 'admin',
  });
  const stranger = await server.send('POST', '/api/v1/invite-org/signup-resend', { token, ...again });
  expect([stranger.status, stranger.body.message]).toEqual([404, `membership ${waiting.id} not found`]);
});

test.each([
  ['short', 'eleven char'],
  ['common', 'Password1234!'],
  ['common, with signs for letters', 'P@ssw0rd!!2024'],
  ['one word over and over', 'secretsecret'],
  ['a row of keys', 'abcdefghijkl'],
  ['a row of digits', '123456789012'],
  ['few characters', 'abababababab'],
  ['the address', 'Weak.Pass-Word1'],
  ['far too long', 'swan'.repeat(65)],
])('a password that is %s is refused', async (_, password) => {
  const email = 'weakpassword@hanzo.ai';
  const answer = await complete(email, await inviteCode(server, email), { password });
  expect([answer.status, answer.body.message?.[0]?.path]).toEqual([422, ['password']]);
});

test('the token of a link is stored nowhere', async () => {
  const code = await inviteCode(server, 'secret@hanzo.ai');
  await new Browser(server).send('POST', '/api/v1/invite-org/verify', {
    body: { email: 'secret@hanzo.ai', code, organizationId: server.organizationId },
  });
  const { rows } = await server.sql.query(
    'select to_jsonb(l)::text as text from one_time_links l union all select to_jsonb(a)::text from audit_log a',
  );
  for (const { text } of rows) expect(text).not.toContain(code);
});

test('one instance admin takes another into an organization at once, and an admin of the organization alone does not', async () => {
  const add = async (slug: string, token?: string) => {
    const { id } = await server.organization(slug);
    const boss = token ?? (await server.machine(`boss-${slug}`, { organizationId: id, role: 'admin' })).token;
    const url = `/api/v2/organizations/${id}/memberships`;
    return (await server.do('POST', url, { token: boss, body: { email: 'z@hanzo.ai', role: 'admin' } })).membership
      .status;
  };
  expect({ instance: await add('vouched', server.admin), organization: await add('unvouched') }).toEqual({
    instance: 'accepted',
    organization: 'invited',
  });
});
