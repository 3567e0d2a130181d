import { afterAll, beforeAll, expect, test } from 'vitest';
import { canary } from '../../support/canary.ts';
import { Browser, invitePerson, PASSWORD, type Person } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer();
  ada = await invitePerson(server, 'ada@hanzo.ai');
});
afterAll(() => server.close());

const LOGIN = '/api/v3/auth/login';
const login = (email: string, password: string, browser: Browser = new Browser(server)) =>
  browser.send('POST', LOGIN, { body: { email, password } });

test('a password gives a token for the account alone', async () => {
  const answer = await login('ADA@hanzo.ai ', PASSWORD);
  expect([answer.status, Object.keys(answer.body)]).toEqual([200, ['accessToken']]);
  const token = answer.body.accessToken;
  const { body } = await server.send('GET', '/api/v1/user', { token });
  expect(body.user).toMatchObject({ id: ada.id, email: 'ada@hanzo.ai', isMfaEnabled: false, authMethods: ['email'] });
  const listed = await server.send('GET', '/api/v1/organization', { token });
  expect(listed.body.organizations).toMatchObject([{ id: server.organizationId }]);
  // Nothing of an organization, before one is chosen.
  for (const url of [
    `/api/v1/organization/${server.organizationId}`,
    `/api/v2/organizations/${server.organizationId}/memberships`,
  ]) {
    expect([url, (await server.send('GET', url, { token })).status]).toEqual([url, 404]);
  }
  expect((await server.send('GET', '/api/v1/workspace', { token })).body.workspaces).toEqual([]);
});

test('an organization is entered, and that token reaches no other', async () => {
  const other = await server.organization('other');
  const members = `/api/v2/organizations/${other.id}/memberships`;
  await server.do('POST', members, { body: { email: ada.email } });
  await server.sql.query("update organization_memberships set status = 'accepted' where actor_id = $1", [ada.id]);
  const account = await ada.login();
  const { body } = await ada.select(account);
  expect(body).toEqual({ token: expect.any(String), isMfaEnabled: false });
  const here = `/api/v2/organizations/${server.organizationId}/memberships`;
  expect((await server.send('GET', here, { token: body.token })).status).toBe(200);
  expect((await server.send('GET', members, { token: body.token })).status).toBe(404);
  const there = (await ada.select(body.token, other.id)).body.token;
  expect((await server.send('GET', members, { token: there })).status).toBe(200);
  expect((await server.send('GET', here, { token: there })).status).toBe(404);
});

test('strangers to an organization do not enter it', async () => {
  const { id } = await server.organization('strangers');
  const token = await ada.login();
  const answer = await ada.select(token, id);
  expect([answer.status, answer.body.message]).toEqual([404, `organization ${id} not found`]);
});

test('a wrong password and an unknown address are told apart by nothing', async () => {
  await server.do('POST', `/api/v2/organizations/${server.organizationId}/memberships`, {
    body: { email: 'bare@hanzo.ai' },
  });
  const bodies = [];
  for (const email of ['ada@hanzo.ai', 'nobody@hanzo.ai', 'bare@hanzo.ai']) {
    const { status, body } = await login(email, `${PASSWORD}!`);
    bodies.push({ ...body, status, reqId: '' });
  }
  expect(new Set(bodies.map((body) => JSON.stringify(body))).size).toBe(1);
  expect(bodies[0]).toMatchObject({ status: 401, error: 'UnauthorizedError' });
});

test('guessing is slowed down, and its victim is not', async () => {
  const victim = await invitePerson(server, 'victim@hanzo.ai');
  const statuses: number[] = [];
  for (let n = 0; n < 8; n++) statuses.push((await login(victim.email, `guess number ${n}`)).status);
  expect(statuses.slice(0, 6)).toEqual(Array(6).fill(401));
  expect(statuses.slice(6)).toEqual([429, 429]);
  const waits = await login(victim.email, PASSWORD);
  expect([waits.status, waits.body.details.retryAfterSeconds]).toEqual([429, expect.any(Number)]);
  expect(waits.headers['retry-after']).toBe(String(waits.body.details.retryAfterSeconds));
  // The victim's own browser is known from before, though all of them come from one address here.
  expect((await victim.send('POST', LOGIN, { body: { email: victim.email, password: PASSWORD } })).status).toBe(200);
  // Somebody else's known browser is none of the victim's.
  expect((await ada.send('POST', LOGIN, { body: { email: victim.email, password: PASSWORD } })).status).toBe(429);
  // Nor does a cookie help that nobody signed.
  const forger = new Browser(server);
  forger.setCookie('kms-device', `${'A'.repeat(22)}.${'A'.repeat(43)}`, '/api');
  expect((await login(victim.email, PASSWORD, forger)).status).toBe(429);
});

test('from another address the count is another', async () => {
  const person = await invitePerson(server, 'elsewhere@hanzo.ai');
  for (let n = 0; n < 7; n++) await login(person.email, `guess number ${n}`);
  const answer = await server.app.inject({
    method: 'POST',
    url: LOGIN,
    remoteAddress: '198.51.100.7',
    payload: { email: person.email, password: PASSWORD },
  });
  expect(answer.statusCode).toBe(200);
});

test('one password on many accounts is slowed down by its address', async () => {
  await server.sql.query('delete from login_failures');
  const crowd = (size: number, name: string) =>
    Promise.all(Array.from({ length: size }, (_, n) => login(`${name}-${n}@hanzo.ai`, 'a password that nobody has')));
  expect((await crowd(20, 'few')).map(({ status }) => status)).toEqual(Array(20).fill(401));
  await crowd(15, 'more');
  expect((await login('next@hanzo.ai', 'a password that nobody has')).status).toBe(429);
  // A browser that ada was logged in with goes on.
  await ada.login();
  await server.sql.query('delete from login_failures');
});

test('wrong tries at once are all counted', async () => {
  const person = await invitePerson(server, 'at-once@hanzo.ai');
  await Promise.all(Array.from({ length: 12 }, (_, n) => login(person.email, `guess number ${n}`)));
  expect((await login(person.email, PASSWORD)).status).toBe(429);
  await server.sql.query('delete from login_failures');
});

test.each(['login1', 'login2'])('%s says which login to use', async (step) => {
  const answer = await server.send('POST', `/api/v3/auth/${step}`, { body: { email: 'x@y.z', clientPublicKey: '00' } });
  expect([answer.status, answer.body.message]).toEqual([400, expect.stringContaining('POST /api/v3/auth/login')]);
});

test('no password and no token is in the audit', async () => {
  const person = await invitePerson(server, 'careful@hanzo.ai');
  await login(person.email, canary);
  await person.enter();
  const text = "select event || ' ' || outcome as what from audit_log where actor_name = $1 order by 1";
  const written = async () => (await server.sql.query(text, [person.email])).rows.map(({ what }) => what);
  // A refusal is recorded without being waited for.
  await expect
    .poll(written)
    .toEqual(['accept-invitation allowed', 'login-user allowed', 'login-user refused', 'select-organization allowed']);
  const { rows: everything } = await server.sql.query('select to_jsonb(a)::text as text from audit_log a');
  for (const { text } of everything) expect(text).not.toMatch(new RegExp(`${canary}|${PASSWORD}|eyJ`));
});

test('a password is stored as argon2id of 19 MiB', async () => {
  const { rows } = await server.sql.query('select password_hash from users where id = $1', [ada.id]);
  expect(rows[0].password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

test.each(['cross-site', 'same-site'])('a %s page logs no browser in as somebody else', async (site) => {
  const victim = new Browser(server);
  const answer = await server.app.inject({
    method: 'POST',
    url: LOGIN,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': site },
    payload: new URLSearchParams({ email: ada.email, password: PASSWORD }).toString(),
  });
  expect([answer.statusCode, answer.headers['set-cookie']]).toEqual([403, undefined]);
  const signup = await victim.send('POST', '/api/v3/signup/complete-account/invite', {
    headers: { 'sec-fetch-site': site },
    body: { email: 'x@hanzo.ai', password: PASSWORD, firstName: 'X', code: 'x' },
  });
  expect(signup.status).toBe(403);
});

test('a machine has no account', async () => {
  const { token } = await server.machine('no-person');
  for (const [method, url, body] of [
    ['GET', '/api/v1/user'],
    ['GET', '/api/v2/users/me/sessions'],
    ['POST', '/api/v1/user/me/totp/register'],
    ['POST', '/api/v1/auth/checkAuth'],
    ['DELETE', '/api/v2/users/me'],
    ['PATCH', '/api/v2/users/me/name', { firstName: 'R2', lastName: 'D2' }],
  ] as const) {
    const answer = await server.send(method, url, { token, body });
    expect([url, answer.status]).toEqual([url, 403]);
  }
});
