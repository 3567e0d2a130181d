import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { OpenIdProvider, type Profile } from '../../support/openid-provider.ts';
import { Browser } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/** Single sign-on with a certified OpenID provider: the whole code flow, and what it refuses by itself. */

const SITE = 'https://kms.example.com';
const BASE = '/api/v1/sso/oidc';
const REDIRECT = `${SITE}${BASE}/callback`;
let server: TestServer;
let provider: OpenIdProvider;

beforeAll(async () => {
  provider = await OpenIdProvider.start({ redirectUri: REDIRECT });
  server = await startServer({ siteUrl: SITE, outboundAllow: ['http://127.0.0.1', 'http://localhost'] });
});
afterAll(() => Promise.all([server?.close(), provider?.close()]));
beforeEach(async () => {
  await server.sql.query('delete from oidc_providers');
  await setUp();
});

const setUp = (more: object = {}) =>
  server.do('POST', `${BASE}/config`, {
    body: {
      ...{ organizationId: server.organizationId, configurationType: 'discoveryURL', isActive: true },
      ...{ discoveryURL: provider.discoveryUrl, clientId: provider.clientId, clientSecret: provider.clientSecret },
      ...more,
    },
  });
const change = (body: object) =>
  server.do('PATCH', `${BASE}/config`, { body: { organizationId: server.organizationId, ...body } });

let people = 0;
const somebody = (more: Profile = {}) => {
  const n = people++;
  return { subject: `subject-${n}`, email: `somebody-${n}@hanzo.ai`, email_verified: true, ...more };
};
type Somebody = ReturnType<typeof somebody>;

async function begin(browser: Browser): Promise<string> {
  const { status, body, text } = await browser.send('GET', `${BASE}/login?orgSlug=hanzo`);
  if (status !== 200) throw new Error(`begin: ${status} ${text}`);
  return body.url;
}
/** Where the provider sends the browser back to, after an address that may have been tampered with. */
const authorize = (url: string, { subject, ...profile }: Somebody, by = provider) =>
  by.authorize(url, subject, profile);
const comeBack = (browser: Browser, back: URL) => browser.send('GET', `${back.pathname}${back.search}`);
async function signOn(who: Somebody, by = provider) {
  const browser = new Browser(server);
  return { browser, answer: await comeBack(browser, await authorize(await begin(browser), who, by)) };
}
const withParameter = (url: string, name: string, value: string): string => {
  const changed = new URL(url);
  changed.searchParams.set(name, value);
  return changed.href;
};
/** Why the last sign-on was refused, as the organization's admins read it. */
async function reason(): Promise<string> {
  const { rows } = await server.sql.query(
    "select metadata->>'reason' as reason from audit_log where event = 'login-oidc' and outcome = 'refused' order by at desc limit 1",
  );
  return rows[0]?.reason;
}
const roleOf = async (email: string) => {
  const { users } = await server.do('GET', `/api/v2/organizations/${server.organizationId}/memberships`);
  return users.find((user: any) => user.inviteEmail === email)?.role;
};

test.each([
  ['the user info', false],
  ['the ID token', true],
])('who the provider knows comes in, and %s says who that is', async (_where, inIdToken) => {
  const own = await OpenIdProvider.start({ redirectUri: REDIRECT, inIdToken });
  try {
    await change({ discoveryURL: own.discoveryUrl, clientSecret: own.clientSecret });
    const who = somebody();
    const { browser, answer } = await signOn(who, own);
    expect([answer.status, answer.body]).toEqual([200, { url: `${SITE}/login/sso` }]);
    const { token } = (await browser.send('POST', '/api/v1/auth/token')).body;
    const { body } = await server.send('GET', '/api/v1/user', { token });
    expect(body.user).toMatchObject({ email: who.email, authMethods: ['oidc'] });
  } finally {
    await own.close();
  }
});

test('groups give roles, and domains bound who comes', async () => {
  await change({ groupRoles: [{ group: 'kms-admins', role: 'admin' }], allowedEmailDomains: 'hanzo.ai' });
  const who = somebody({ groups: ['staff', 'kms-admins'] });
  await signOn(who);
  expect(await roleOf(who.email)).toBe('admin');
  await signOn({ ...who, groups: ['staff'] } as Somebody);
  expect(await roleOf(who.email)).toBe('member');
  const { answer } = await signOn(somebody({ email: 'ada@evilhanzo.ai' }));
  expect([answer.status, await reason()]).toEqual([403, expect.stringContaining("organization's domains")]);
});

test('a key that the provider changed to is followed, once unknown keys are worth a fetch again', async () => {
  expect((await signOn(somebody())).answer.status).toBe(200);
  provider.rotate();
  const before = provider.keyFetches;
  const refused = await signOn(somebody());
  expect([refused.answer.status, await reason()]).toEqual([403, 'the token is signed by no key of the provider']);
  const now = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + 11_000);
  try {
    expect((await signOn(somebody())).answer.status).toBe(200);
  } finally {
    clock.mockRestore();
  }
  expect(provider.keyFetches).toBe(before + 1);
});

test.each<{ attack: string; change: [name: string, value: string]; says: string }>([
  { attack: "another nonce in the browser's address", change: ['nonce', 'mine'], says: 'its nonce is wrong' },
  { attack: 'another challenge', change: ['code_challenge', 'A'.repeat(43)], says: 'turned the code down' },
])('$attack ends in nothing', async ({ change: [name, value], says }) => {
  const browser = new Browser(server);
  const answer = await comeBack(browser, await authorize(withParameter(await begin(browser), name, value), somebody()));
  expect([answer.status, await reason()]).toEqual([403, expect.stringContaining(says)]);
  expect(browser.cookie('jid')).toBeUndefined();
});

test.each<{ attack: string; tamper: (back: URL) => void; says: string }>([
  {
    attack: 'another provider in the answer',
    tamper: (to) => to.searchParams.set('iss', SITE),
    says: 'of another provider',
  },
  { attack: 'no provider in the answer', tamper: (to) => to.searchParams.delete('iss'), says: 'of another provider' },
  { attack: 'a made-up code', tamper: (to) => to.searchParams.set('code', 'made-up'), says: 'turned the code down' },
])('$attack ends in nothing', async ({ tamper, says }) => {
  const browser = new Browser(server);
  const back = await authorize(await begin(browser), somebody());
  tamper(back);
  const answer = await comeBack(browser, back);
  expect([answer.status, await reason()]).toEqual([403, expect.stringContaining(says)]);
  expect(browser.cookie('jid')).toBeUndefined();
});

test("a code of another sign-on, or of another client is the provider's to refuse", async () => {
  const victim = new Browser(server);
  const begun = await begin(victim);
  const stolen = await authorize(begun, somebody());
  const foreign = await authorize(withParameter(begun, 'client_id', provider.otherClientId), somebody());
  for (const { searchParams } of [stolen, foreign]) {
    const attacker = new Browser(server);
    const back = await authorize(await begin(attacker), somebody());
    back.searchParams.set('code', searchParams.get('code')!);
    expect([(await comeBack(attacker, back)).status, await reason()]).toEqual([
      403,
      expect.stringContaining('turned the code down'),
    ]);
    expect(attacker.cookie('jid')).toBeUndefined();
  }
});

test('a state of another browser is refused, and not spent', async () => {
  const victim = new Browser(server);
  const back = await authorize(await begin(victim), somebody());
  const other = await comeBack(new Browser(server), back);
  expect([other.status, other.body.message]).toEqual([403, expect.stringContaining('not begun in this browser')]);
  expect((await comeBack(victim, back)).status).toBe(200);
});

test('who says no to the provider does not come in', async () => {
  const browser = new Browser(server);
  const answer = await comeBack(browser, await provider.authorize(await begin(browser), 'nobody'));
  expect([answer.status, await reason()]).toEqual([403, 'the provider let nobody in']);
});

test('a wrong client secret is refused by the provider', async () => {
  await change({ clientSecret: 'wrong' });
  const { answer } = await signOn(somebody());
  expect([answer.status, await reason()]).toEqual([403, expect.stringContaining('turned the code down')]);
});

test('a provider that is found under another name than its own is refused', async () => {
  await change({
    discoveryURL: provider.discoveryUrl.replace('127.0.0.1', 'localhost'),
    clientSecret: provider.clientSecret,
  });
  const answer = await server.send('GET', `${BASE}/login?orgSlug=hanzo`);
  expect([answer.status, answer.body.message]).toEqual([503, expect.stringContaining('another issuer')]);
});
