import { afterAll, beforeAll, expect, test } from 'vitest';
import { Database } from '../../../server/database/database.ts';
import { sweepPeople } from '../../../server/sessions/sweep.ts';
import { Browser, invitePerson, PASSWORD } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const refresh = (browser: Browser, headers: Record<string, string> = {}) =>
  browser.send('POST', '/api/v1/auth/token', { headers });
const members = () => `/api/v2/organizations/${server.organizationId}/memberships`;
let people = 0;
const person = () => invitePerson(server, `person-${people++}@hanzo.ai`);

test('the cookie is for two routes, and never for scripts or plain http', async () => {
  const ada = await person();
  const { headers } = await ada.send('POST', '/api/v3/auth/login', { body: { email: ada.email, password: PASSWORD } });
  const [jid] = [headers['set-cookie']].flat() as string[];
  expect(jid).toMatch(/^jid=[^;]+; Path=\/api\/v1\/auth; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict$/);
});

test('a session goes on where it was, with a new token each time', async () => {
  const ada = await person();
  await ada.enter();
  const first = ada.cookie('jid');
  const { status, body } = await refresh(ada);
  expect([status, body.organizationId]).toEqual([200, server.organizationId]);
  expect((await server.send('GET', members(), { token: body.token })).status).toBe(200);
  expect(ada.cookie('jid')).not.toBe(first);
});

test('a refresh token that was copied ends the session for both', async () => {
  const ada = await person();
  const token = await ada.enter();
  const thief = new Browser(server);
  thief.setCookie('jid', ada.cookie('jid')!, '/api/v1/auth');
  const stolen = (await refresh(thief)).body.token;
  expect((await server.send('GET', members(), { token: stolen })).status).toBe(200);
  // Two tabs may ask at the same moment; the owner comes a while later.
  await server.sql.query("update sessions set rotated_at = now() - interval '16 seconds' where user_id = $1", [ada.id]);
  const caught = await refresh(ada);
  expect([caught.status, caught.body.message]).toEqual([401, expect.stringContaining('used twice')]);
  for (const dead of [token, stolen]) expect((await server.send('GET', members(), { token: dead })).status).toBe(401);
  expect((await refresh(thief)).status).toBe(401);
  const { rows } = await server.sql.query("select outcome from audit_log where event = 'session-token-reused'");
  expect(rows).toEqual([{ outcome: 'refused' }]);
});

test('two tabs that refresh at once are no thieves', async () => {
  const ada = await person();
  await ada.enter();
  const tab = new Browser(server);
  tab.setCookie('jid', ada.cookie('jid')!, '/api/v1/auth');
  const answers = await Promise.all([refresh(ada), refresh(tab)]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(answers.filter(({ headers }) => headers['set-cookie'] !== undefined)).toHaveLength(1);
});

test.each([
  ['nothing', undefined],
  ['something else', 'x'],
  ['a forged one', `00000000-0000-4000-8000-000000000000.0.${'A'.repeat(43)}`],
])('%s as refresh token is a 401', async (_, jid) => {
  const browser = new Browser(server);
  if (jid !== undefined) browser.setCookie('jid', jid, '/api/v1/auth');
  expect((await refresh(browser)).status).toBe(401);
});

test.each(['cross-site', 'same-site'])('a %s page does not use the session', async (site) => {
  const ada = await person();
  const before = ada.cookie('jid');
  for (const url of ['/api/v1/auth/token', '/api/v1/auth/logout']) {
    const answer = await ada.send('POST', url, { headers: { 'sec-fetch-site': site } });
    expect([url, answer.status]).toEqual([url, 403]);
  }
  expect(ada.cookie('jid')).toBe(before);
  expect((await refresh(ada, { 'sec-fetch-site': 'same-origin' })).status).toBe(200);
});

test('a forwarded header changes nothing of the cookie', async () => {
  const ada = await person();
  const { headers } = await ada.send('POST', '/api/v3/auth/login', {
    body: { email: ada.email, password: PASSWORD },
    headers: { 'x-forwarded-proto': 'http' },
  });
  for (const cookie of [headers['set-cookie']].flat()) expect(cookie).toContain('; Secure');
});

test('logging out ends the session at its next request', async () => {
  const ada = await person();
  const token = await ada.enter();
  const { status } = await ada.send('POST', '/api/v1/auth/logout');
  expect([status, ada.cookie('jid')]).toEqual([200, undefined]);
  const { status: after, body } = await server.send('GET', members(), { token });
  expect([after, body.message]).toEqual([401, expect.stringContaining('revoked')]);
});

test('sessions are listed and ended, each by its own person', async () => {
  const ada = await person();
  const grace = await person();
  const here = await ada.enter();
  const phone = new Browser(server);
  phone.headers['user-agent'] = 'a phone';
  const login = { body: { email: ada.email, password: PASSWORD } };
  const there = (await phone.send('POST', '/api/v3/auth/login', login)).body.accessToken;
  const { body } = await server.send('GET', '/api/v2/users/me/sessions', { token: there });
  expect(body.map((session: any) => [session.userAgent, session.isCurrent]).slice(0, 1)).toEqual([['a phone', true]]);
  const [{ id }] = body;
  const byGrace = await server.send('DELETE', `/api/v2/users/me/sessions/${id}`, { token: await grace.enter() });
  expect([byGrace.status, byGrace.body.message]).toEqual([404, `session ${id} not found`]);
  expect((await server.send('DELETE', `/api/v2/users/me/sessions/${id}`, { token: here })).status).toBe(200);
  expect((await server.send('GET', '/api/v1/user', { token: there })).status).toBe(401);
  expect((await refresh(phone)).status).toBe(401);
  expect((await server.send('DELETE', '/api/v2/users/me/sessions', { token: here })).status).toBe(200);
  expect((await server.send('GET', members(), { token: here })).status).toBe(401);
});

test.each([
  ['its end', 'expires_at = now()'],
  ['a week of rest', "rotated_at = now() - interval '7 days'"],
])('%s ends a session', async (_, set) => {
  const ada = await person();
  const account = await ada.login();
  await server.sql.query(`update sessions set ${set} where user_id = $1`, [ada.id]);
  expect((await refresh(ada)).status).toBe(401);
  expect((await ada.select(account)).status).toBe(401);
});

test('a token never outlives its session', async () => {
  const ada = await person();
  await ada.login();
  await server.sql.query("update sessions set expires_at = now() + interval '90 seconds' where user_id = $1", [ada.id]);
  const { body } = await refresh(ada);
  const { exp, iat } = JSON.parse(Buffer.from(body.token.split('.')[1], 'base64url').toString());
  expect(exp - iat).toBeLessThanOrEqual(91);
  const renewed = await server.send('POST', '/api/v1/auth/token/renew', { body: { accessToken: body.token } });
  const { rows } = await server.sql.query(
    'select bool_and(t.expires_at <= s.expires_at) as within from access_tokens t join sessions s on s.id = t.session_id where s.user_id = $1 and t.created_at > s.created_at',
    [ada.id],
  );
  expect([renewed.status, rows[0].within]).toEqual([200, true]);
});

test('what ended long ago is swept', async () => {
  const ada = await person();
  await ada.enter();
  await server.sql.query("update sessions set expires_at = now() - interval '1 minute' where user_id = $1", [ada.id]);
  await server.do('POST', `/api/v1/admin/user-management/users/${ada.id}/password-reset`);
  await server.sql.query("update one_time_links set expires_at = now() - interval '31 days'");
  await server.sql.query("insert into login_failures values ('\\x00', 1, now() - interval '2 days')");
  const db = new Database({ uri: server.database.uri, connections: 1 });
  await sweepPeople(db).finally(() => db.close());
  const { rows } = await server.sql.query(
    `select (select count(*)::int from sessions where user_id = $1) as sessions,
            (select count(*)::int from access_tokens where actor_id = $1) as tokens,
            (select count(*)::int from one_time_links) as links, (select count(*)::int from login_failures where bucket = '\\x00') as failures`,
    [ada.id],
  );
  expect(rows).toEqual([{ sessions: 0, tokens: 0, links: 0, failures: 0 }]);
});
