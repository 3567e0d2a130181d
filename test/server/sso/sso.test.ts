import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Browser, invitePerson } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { type Claims, TestProvider } from './provider.ts';

const SITE = 'https://kms.example.com';
const BASE = '/api/v1/sso/oidc';
let server: TestServer;
let ours: TestProvider;
let theirs: TestProvider;
let theirOrganization: { id: string; slug: string };

beforeAll(async () => {
  server = await startServer({ siteUrl: SITE, outboundAllow: ['http://127.0.0.1'] });
  theirOrganization = await server.organization('theirs');
});
afterAll(() => server.close());

beforeEach(async () => {
  await server.sql.query('delete from oidc_providers');
  await server.sql.query('delete from sso_identities');
  ours = await new TestProvider(`${SITE}${BASE}/callback`).start();
  theirs = await new TestProvider(`${SITE}${BASE}/callback`).start();
  await setUp(ours, server.organizationId);
  await setUp(theirs, theirOrganization.id);
  return () => Promise.all([ours.close(), theirs.close()]);
});

const setUp = (provider: TestProvider, organizationId: string, more: object = {}) =>
  server.do('POST', `${BASE}/config`, {
    body: {
      organizationId,
      configurationType: 'discoveryURL',
      discoveryURL: provider.discoveryUrl,
      clientId: provider.clientId,
      clientSecret: provider.clientSecret,
      isActive: true,
      ...more,
    },
  });
const change = (body: object, organizationId = server.organizationId) =>
  server.do('PATCH', `${BASE}/config`, { body: { organizationId, ...body } });

let people = 0;
const somebody = (more: Partial<Claims> = {}): Claims => {
  const n = people++;
  return { sub: `subject-${n}`, email: `somebody-${n}@hanzo.ai`, email_verified: true, ...more };
};

const begin = async (browser: Browser, orgSlug = 'hanzo'): Promise<string> => {
  const { status, body, text } = await browser.send('GET', `${BASE}/login?orgSlug=${orgSlug}`);
  if (status !== 200) throw new Error(`begin: ${status} ${text}`);
  return body.url;
};
const comeBack = (browser: Browser, back: URL) => browser.send('GET', `${back.pathname}${back.search}`);
/** The whole sign-on. */
async function signOn(claims: Claims, browser = new Browser(server), provider = ours, orgSlug = 'hanzo') {
  const answer = await comeBack(browser, provider.authorize(await begin(browser, orgSlug), claims));
  return { browser, answer };
}
/** The token of a session that single sign-on opened. */
async function tokenOf(browser: Browser): Promise<string> {
  const { body, status } = await browser.send('POST', '/api/v1/auth/token');
  if (status !== 200) throw new Error(`no session: ${status}`);
  return body.token;
}
const members = (id = server.organizationId) => `/api/v2/organizations/${id}/memberships`;
const roleOf = async (email: string) =>
  (await server.do('GET', members())).users.find((user: any) => user.inviteEmail === email)?.role;

test('who the provider knows comes in, and is a member', async () => {
  const claims = somebody();
  const { browser, answer } = await signOn(claims);
  expect([answer.status, answer.body]).toEqual([200, { url: `${SITE}/login/sso` }]);
  const token = await tokenOf(browser);
  expect((await server.send('GET', members(), { token })).status).toBe(200);
  const { body } = await server.send('GET', '/api/v1/user', { token });
  expect(body.user).toMatchObject({ email: claims.email, authMethods: ['oidc'] });
  expect(await roleOf(claims.email!)).toBe('member');
  // The same subject is the same account, whatever address it has by now.
  const again = await signOn({ ...claims, email: 'renamed@hanzo.ai' });
  const { body: second } = await server.send('GET', '/api/v1/user', { token: await tokenOf(again.browser) });
  expect(second.user.id).toBe(body.user.id);
});

test('a browser is sent on, and no secret is in the address', async () => {
  const browser = new Browser(server);
  browser.headers.accept = 'text/html,*/*';
  const begun = await browser.send('GET', `${BASE}/login?orgSlug=hanzo`);
  expect([begun.status, begun.headers['cache-control']]).toEqual([302, 'no-store']);
  const cookie = [begun.headers['set-cookie']].flat()[0];
  expect(cookie).toMatch(
    /^kms-sso=[^;]{43}; Path=\/api\/v1\/sso\/oidc\/callback; Max-Age=600; HttpOnly; Secure; SameSite=Lax$/,
  );
  const back = await comeBack(browser, ours.authorize(String(begun.headers.location), somebody()));
  expect([back.status, back.headers.location]).toEqual([302, `${SITE}/login/sso`]);
});

test('the endpoints may be written out', async () => {
  await server.sql.query('delete from oidc_providers where organization_id = $1', [server.organizationId]);
  const { issuer } = ours;
  await setUp(ours, server.organizationId, {
    configurationType: 'custom',
    discoveryURL: '',
    issuer,
    authorizationEndpoint: `${issuer}/authorize`,
    tokenEndpoint: `${issuer}/token`,
    jwksUri: `${issuer}/keys`,
    userinfoEndpoint: `${issuer}/userinfo`,
  });
  expect((await signOn(somebody())).answer.status).toBe(200);
});

test('another browser does not end a sign-on, nor does one twice', async () => {
  const victim = new Browser(server);
  const attacker = new Browser(server);
  // Login CSRF: the attacker's own answer, in the victim's browser.
  const back = ours.authorize(await begin(attacker), somebody());
  await begin(victim);
  for (const browser of [victim, new Browser(server)]) {
    const answer = await comeBack(browser, back);
    expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining('not begun in this browser')]);
    expect(browser.cookie('jid')).toBeUndefined();
  }
  const jid = attacker.cookie('kms-sso')!;
  expect((await comeBack(attacker, back)).status).toBe(200);
  attacker.setCookie('kms-sso', jid, `${BASE}/callback`);
  expect((await comeBack(attacker, back)).status).toBe(403);
});

test('a state that is over, or of nobody, is refused', async () => {
  const browser = new Browser(server);
  const back = ours.authorize(await begin(browser), somebody());
  await server.sql.query('update sso_attempts set expires_at = now()');
  expect((await comeBack(browser, back)).status).toBe(403);
  await begin(browser);
  back.searchParams.set('state', 'A'.repeat(43));
  expect((await comeBack(browser, back)).status).toBe(403);
});

test('a code of another sign-on is refused by PKCE', async () => {
  const victim = new Browser(server);
  const stolen = ours.authorize(await begin(victim), somebody()).searchParams.get('code')!;
  const attacker = new Browser(server);
  const back = ours.authorize(await begin(attacker), somebody());
  back.searchParams.set('code', stolen);
  const answer = await comeBack(attacker, back);
  expect([answer.status, ours.refused]).toEqual([403, ['invalid_grant: pkce']]);
  expect(attacker.cookie('jid')).toBeUndefined();
});

test("another provider's answer is not taken to this one", async () => {
  theirs.namesItself = true;
  const browser = new Browser(server);
  const back = ours.authorize(await begin(browser), somebody());
  back.searchParams.set('iss', theirs.issuer);
  const mixed = await comeBack(browser, back);
  expect([mixed.status, mixed.body.message]).toEqual([403, 'single sign-on failed: the answer is of another provider']);
  // One that says it always names itself has to.
  const silent = theirs.authorize(await begin(browser, 'theirs'), somebody());
  silent.searchParams.delete('iss');
  expect((await comeBack(browser, silent)).status).toBe(403);
  expect((await signOn(somebody(), browser, theirs, 'theirs')).answer.status).toBe(200);
  // A code of theirs, brought to ours with a state of ours.
  const foreign = theirs.authorize(await begin(browser, 'theirs'), somebody()).searchParams.get('code')!;
  const own = ours.authorize(await begin(browser), somebody());
  own.searchParams.set('code', foreign);
  expect((await comeBack(browser, own)).status).toBe(403);
});

test.each<{ what: string; lie: (claims: any) => any; message: string }>([
  { what: 'for another login', lie: (c) => ({ ...c, nonce: 'another' }), message: 'its nonce is wrong' },
  { what: 'without a nonce', lie: ({ nonce: _, ...c }) => c, message: '"nonce"' },
  { what: 'of another issuer', lie: (c) => ({ ...c, iss: 'https://hanzo.id' }), message: '"iss"' },
  { what: 'for another audience', lie: (c) => ({ ...c, aud: 'another' }), message: '"aud"' },
  {
    what: 'made for another client',
    lie: (c) => ({ ...c, aud: [c.aud, 'another'], azp: 'another' }),
    message: 'another client',
  },
  { what: 'for two and nobody', lie: (c) => ({ ...c, aud: [c.aud, 'another'] }), message: 'another client' },
  { what: 'that is over', lie: (c) => ({ ...c, iat: c.iat - 400, exp: c.iat - 90 }), message: 'is over' },
  { what: 'without an end', lie: ({ exp: _, ...c }) => c, message: '"exp"' },
  { what: 'of long ago', lie: (c) => ({ ...c, iat: c.iat - 86_400 }), message: 'is over' },
  { what: 'of nobody', lie: ({ sub: _, ...c }) => c, message: '"sub"' },
  { what: 'of a subject with NUL', lie: (c) => ({ ...c, sub: `${c.sub}\0` }), message: 'no usable subject' },
  { what: 'of an unverified address', lie: (c) => ({ ...c, email_verified: false }), message: 'has not verified' },
  { what: 'that does not say it is verified', lie: ({ email_verified: _, ...c }) => c, message: 'has not verified' },
  { what: 'without an address', lie: ({ email: _, ...c }) => c, message: 'names no e-mail address' },
  {
    what: 'with no address',
    lie: (c) => ({ ...c, email: 'z@hanzo.ai, y@hanzo.ai' }),
    message: 'names no e-mail address',
  },
])('a token $what is refused', async ({ lie, message }) => {
  ours.lie = lie;
  ours.userinfo = { sub: `subject-${people}` };
  const claims = somebody();
  const { browser, answer } = await signOn(claims);
  expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining(message)]);
  expect(browser.cookie('jid')).toBeUndefined();
  expect((await server.sql.query('select from users where email = $1', [claims.email])).rowCount).toBe(0);
  const { rows } = await server.sql.query(
    "select metadata->>'reason' as reason from audit_log where event = 'login-oidc' and outcome = 'refused' and organization_id = $1 order by at desc limit 1",
    [server.organizationId],
  );
  expect(rows[0].reason).toContain(message);
});

test('a signature of another key is refused', async () => {
  expect((await signOn(somebody())).answer.status).toBe(200);
  await ours.forgeSignatures();
  const { answer } = await signOn(somebody());
  expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining('not signed by the provider')]);
});

test.each([
  { email: 'ada@hanzo.ai', status: 200 },
  { email: 'ada@HANZO.AI', status: 200 },
  { email: 'ada@eu.hanzo.network', status: 200 },
  { email: 'ada@hanzo.network', status: 403 },
  { email: 'ada@evilhanzo.ai', status: 403 },
  { email: 'ada@hanzo.ai.evil.net', status: 403 },
  { email: 'ada@hanzo.ai@evil.net', status: 403 },
  { email: 'ada@evil.net', status: 403 },
])('with domains set, $email answers $status', async ({ email, status }) => {
  await change({ allowedEmailDomains: 'hanzo.ai,*.hanzo.network' });
  expect((await signOn(somebody({ email }))).answer.status).toBe(status);
});

test('what the token leaves out, the user info adds, of the same person alone', async () => {
  const { email, email_verified, ...claims } = somebody();
  ours.userinfo = { sub: claims.sub, email, email_verified };
  expect((await signOn(claims)).answer.status).toBe(200);
  ours.userinfo = { sub: 'somebody else', email, email_verified };
  const { answer } = await signOn({ sub: 'subject-x' });
  expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining('of another person')]);
});

test("a provider does not log in to an account of another organization's", async () => {
  // Their provider says the address of somebody who is ours, and of one who is theirs as well.
  const victim = await invitePerson(server, 'victim@hanzo.ai');
  const claims = somebody({ email: victim.email });
  const { browser, answer } = await signOn(claims, undefined, theirs, 'theirs');
  expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining('link it with POST')]);
  expect(browser.cookie('jid')).toBeUndefined();
  // Not after it joined theirs, either.
  await server.do('POST', members(theirOrganization.id), { body: { email: victim.email } });
  await server.sql.query("update organization_memberships set status = 'accepted' where actor_id = $1", [victim.id]);
  expect((await signOn(claims, undefined, theirs, 'theirs')).answer.status).toBe(403);
  // With its owner's consent it does, and still reaches nothing but theirs.
  const token = await victim.enter();
  const link = await victim.send('POST', `${BASE}/link`, { token, body: { organizationId: theirOrganization.id } });
  expect(link.status).toBe(200);
  expect((await comeBack(victim, theirs.authorize(link.body.url, claims))).status).toBe(200);
  const linked = await signOn(claims, undefined, theirs, 'theirs');
  expect(linked.answer.status).toBe(200);
  const theirToken = await tokenOf(linked.browser);
  expect((await server.send('GET', members(theirOrganization.id), { token: theirToken })).status).toBe(200);
  expect((await server.send('GET', members(), { token: theirToken })).status).toBe(404);
  const select = await linked.browser.send('POST', '/api/v3/auth/select-organization', {
    token: theirToken,
    body: { organizationId: server.organizationId },
  });
  expect([select.status, select.body.message]).toEqual([
    403,
    expect.stringContaining("another organization's single sign-on"),
  ]);
  const listed = await server.send('GET', '/api/v1/organization', { token: theirToken });
  expect(listed.body.organizations.map((one: any) => one.slug)).toEqual(['theirs']);
  // Nor does it change the account that ours relies on.
  for (const [method, url, body] of [
    ['POST', '/api/v1/user/me/totp/register'],
    ['DELETE', '/api/v2/users/me'],
    ['DELETE', '/api/v2/users/me/sessions'],
    ['PATCH', '/api/v2/users/me/name', { firstName: 'Eve', lastName: '' }],
  ] as const) {
    expect([url, (await server.send(method, url, { token: theirToken, body })).status]).toEqual([url, 403]);
  }
});

test('who made an account by single sign-on first gets nothing of what comes later', async () => {
  const claims = somebody({ email: 'later@hanzo.ai' });
  const { browser } = await signOn(claims, undefined, theirs, 'theirs');
  const { membership } = await server.do('POST', members(), { body: { email: claims.email, role: 'admin' } });
  expect(membership.status).toBe('invited');
  const token = await tokenOf(browser);
  expect((await server.send('GET', members(), { token })).status).toBe(404);
  // Even were it accepted, their session stays in theirs.
  await server.sql.query("update organization_memberships set status = 'accepted' where id = $1", [membership.id]);
  expect((await server.send('GET', members(), { token: await tokenOf(browser) })).status).toBe(404);
  expect((await server.send('POST', '/api/v2/organizations', { token, body: { name: 'Mine' } })).status).toBe(403);
});

test('linking takes the consent of the very account', async () => {
  const ada = await invitePerson(server, 'linking@hanzo.ai');
  const token = await ada.enter();
  const link = async () =>
    (await ada.send('POST', `${BASE}/link`, { token, body: { organizationId: server.organizationId } })).body.url;
  const other = await comeBack(ada, ours.authorize(await link(), somebody({ email: 'somebody-else@hanzo.ai' })));
  expect([other.status, other.body.message]).toEqual([403, expect.stringContaining('another e-mail address')]);
  // In the attacker's browser the victim's answer is worth nothing.
  const back = ours.authorize(await link(), somebody({ email: ada.email }));
  expect((await comeBack(new Browser(server), back)).status).toBe(403);
  const foreign = await ada.send('POST', `${BASE}/link`, { token, body: { organizationId: theirOrganization.id } });
  expect(foreign.status).toBe(404);
});

test('an address that went to somebody else does not open the old account', async () => {
  const claims = somebody();
  await signOn(claims);
  const { answer } = await signOn({ ...claims, sub: 'the successor' });
  expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining('linked to another person')]);
});

test('an instance admin does not come in by single sign-on', async () => {
  const ada = await invitePerson(server, 'root@hanzo.ai');
  await server.sql.query('update actors set instance_admin = true where id = $1', [ada.id]);
  const { answer } = await signOn(somebody({ email: ada.email }));
  expect([answer.status, answer.body.message]).toEqual([403, expect.stringContaining('an admin of the instance')]);
});

test('groups of the provider give roles, and take them', async () => {
  await change({
    groupRoles: [
      { group: 'kms-admins', role: 'admin' },
      { group: 'staff', role: 'member' },
    ],
    defaultRole: 'no-access',
  });
  const claims = somebody({ groups: ['staff', 'kms-admins'] });
  const email = claims.email!;
  await signOn(claims);
  expect(await roleOf(email)).toBe('admin');
  await signOn({ ...claims, groups: ['staff'] });
  expect(await roleOf(email)).toBe('member');
  await signOn({ ...claims, groups: [] });
  expect(await roleOf(email)).toBe('no-access');
  // A provider that says nothing of groups changes nothing.
  ours.userinfo = { sub: claims.sub };
  const { groups: _, ...silent } = claims;
  await signOn({ ...claims, groups: ['kms-admins'] });
  await signOn(silent);
  expect(await roleOf(email)).toBe('admin');
});

test('groups of the provider are the groups of their names, when they are to be', async () => {
  const group = async (name: string, organizationId = server.organizationId) =>
    (await server.do('POST', '/api/v1/groups', { body: { name, slug: `${name}-${people++}`, organizationId } })).id;
  const [staff, ops] = [await group('staff'), await group('ops')];
  await group('staff', theirOrganization.id);
  const claims = somebody({ groups: ['staff', 'nowhere'] });
  const groupsNow = async () => {
    const { rows } = await server.sql.query(
      'select gm.group_id as id from group_members gm join users u on u.id = gm.actor_id where u.email = $1',
      [claims.email],
    );
    return rows.map(({ id }) => id);
  };
  await signOn(claims);
  expect(await groupsNow()).toEqual([]);
  await change({ manageGroupMemberships: true });
  await signOn(claims);
  expect(await groupsNow()).toEqual([staff]);
  // What no group can be called is of none.
  await signOn({ ...claims, groups: ['ops', 'st\0aff', '\ud800'] });
  expect(await groupsNow()).toEqual([ops]);
  const { groups: _, ...silent } = claims;
  ours.userinfo = { sub: claims.sub };
  await signOn(silent);
  expect(await groupsNow()).toEqual([ops]);
});

test('who was deactivated or removed comes back only as far as admins allow', async () => {
  const claims = somebody();
  const { browser } = await signOn(claims);
  const { users } = await server.do('GET', members());
  const { id } = users.find((user: any) => user.inviteEmail === claims.email);
  await server.do('PATCH', `${members()}/${id}`, { body: { isActive: false } });
  expect((await browser.send('POST', '/api/v1/auth/token')).status).toBe(401);
  const { answer } = await signOn(claims);
  expect([answer.status, answer.body.message]).toEqual([403, 'this membership has been deactivated']);
});

test('an organization can let people in by single sign-on alone', async () => {
  const grace = await invitePerson(server, 'enforced@hanzo.ai');
  const boss = await invitePerson(server, 'boss@hanzo.ai', { role: 'admin' });
  const before = await grace.enter();
  const url = `/api/v1/organization/${server.organizationId}`;
  await change({ isActive: false });
  const early = await server.send('PATCH', url, { token: server.admin, body: { authEnforced: true } });
  expect(early.status).toBe(400);
  await change({ isActive: true });
  await server.do('PATCH', url, { body: { authEnforced: true } });
  expect((await server.send('GET', members(), { token: before })).status).toBe(401);
  for (const person of [grace, boss]) {
    const refused = await person.select(await person.login());
    expect([refused.status, refused.body.message]).toEqual([403, expect.stringContaining('single sign-on')]);
  }
  expect((await signOn(somebody({ email: grace.email }))).answer.status).toBe(200);
  // The way back: an admin with a second factor.
  await boss.setUpMfa();
  expect((await server.send('GET', members(), { token: await boss.enter() })).status).toBe(200);
  await server.do('PATCH', url, { body: { authEnforced: false } });
});

test('a second factor is asked for after single sign-on too', async () => {
  const claims = somebody();
  const { browser } = await signOn(claims);
  const token = await tokenOf(browser);
  const { rows } = await server.sql.query('select id from users where email = $1', [claims.email]);
  await server.sql.query("insert into totp_factors (user_id, sealed_seed, confirmed_at) values ($1, '\\x00', now())", [
    rows[0].id,
  ]);
  expect(token).toBeTruthy();
  const next = await signOn(claims);
  const refreshed = await next.browser.send('POST', '/api/v1/auth/token');
  expect(refreshed.body.organizationId).toBeUndefined();
  const selected = await next.browser.send('POST', '/api/v3/auth/select-organization', {
    token: refreshed.body.token,
    body: { organizationId: server.organizationId },
  });
  expect(selected.body).toMatchObject({ isMfaEnabled: true });
});

test("a provider's secret is sealed, and never shown or moved", async () => {
  const query = `organizationId=${server.organizationId}`;
  const shown = await server.do('GET', `${BASE}/config?${query}`);
  expect(shown).toMatchObject({
    orgId: server.organizationId,
    clientId: ours.clientId,
    clientSecret: '',
    isActive: true,
  });
  expect((await server.do('GET', `${BASE}/config?orgSlug=hanzo`)).id).toBe(shown.id);
  const { rows } = await server.sql.query(
    'select to_jsonb(p)::text as text from oidc_providers p union all select to_jsonb(a)::text from audit_log a',
  );
  for (const { text } of rows) expect(text).not.toContain(ours.clientSecret);
  // Another token endpoint would be sent the secret.
  const moved = await server.send('PATCH', `${BASE}/config`, {
    token: server.admin,
    body: { organizationId: server.organizationId, discoveryURL: theirs.discoveryUrl },
  });
  expect([moved.status, moved.body.message]).toEqual([400, expect.stringContaining('send clientSecret as well')]);
  // Their sealed secret, copied into our row, does not open.
  await server.sql.query(
    'update oidc_providers set sealed_client_secret = (select sealed_client_secret from oidc_providers where organization_id = $2) where organization_id = $1',
    [server.organizationId, theirOrganization.id],
  );
  expect((await signOn(somebody())).answer.status).not.toBe(200);
});

test.each([
  { role: 'admin', status: 200 },
  { role: 'member', status: 403 },
  { role: 'no-access', status: 403 },
])('a $role gets $status for the settings', async ({ role, status }) => {
  const { token } = await server.machine(`sso-${role}-${people++}`, { role });
  const query = `organizationId=${server.organizationId}`;
  expect((await server.send('GET', `${BASE}/config?${query}`, { token })).status).toBe(status);
  const body = { organizationId: server.organizationId, isActive: true };
  expect((await server.send('PATCH', `${BASE}/config`, { token, body })).status).toBe(status);
});

test.each([
  ['a private address', { discoveryURL: 'https://10.0.0.1/.well-known/openid-configuration' }, 'discoveryURL'],
  ['cloud metadata', { jwksUri: 'http://169.254.169.254/keys' }, 'jwksUri'],
  ['no discovery document', { discoveryURL: 'https://hanzo.id/' }, 'discoveryURL'],
  ['a signature that anybody makes', { jwtSignatureAlgorithm: 'none' }, 'jwtSignatureAlgorithm'],
  ['a signature by the client secret', { jwtSignatureAlgorithm: 'HS256' }, 'jwtSignatureAlgorithm'],
  ['a domain that is none', { allowedEmailDomains: 'hanzo.ai, *' }, 'allowedEmailDomains'],
])('settings with %s are refused', async (_, more, field) => {
  const body = { organizationId: server.organizationId, clientSecret: 'x', ...more };
  const answer = await server.send('PATCH', `${BASE}/config`, { token: server.admin, body });
  expect([answer.status, answer.body.message[0].path]).toEqual([422, [field]]);
});

test('a discovery document of another issuer is refused', async () => {
  const { issuer } = ours;
  ours.issuer = 'https://hanzo.id';
  const answer = await server.send('GET', `${BASE}/login?orgSlug=hanzo`);
  ours.issuer = issuer;
  expect([answer.status, answer.body.message]).toEqual([503, expect.stringContaining('another issuer')]);
});

test('an organization without single sign-on is as one that nobody has', async () => {
  await change({ isActive: false });
  for (const slug of ['hanzo', 'nowhere']) {
    const answer = await server.send('GET', `${BASE}/login?orgSlug=${slug}`);
    expect([answer.status, answer.body.message]).toEqual([404, `organization "${slug}" has no single sign-on`]);
  }
});
