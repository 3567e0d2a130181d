import { afterAll, beforeAll, expect, test } from 'vitest';
import { Browser, invitePerson, type Person } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const members = () => `/api/v2/organizations/${server.organizationId}/memberships`;
let people = 0;
async function withMfa(): Promise<{ ada: Person; recoveryCodes: string[] }> {
  const ada = await invitePerson(server, `person-${people++}@hanzo.ai`);
  return { ada, recoveryCodes: await ada.setUpMfa() };
}
/** Logs in with the password; the token that asks for the code. */
async function challenge(ada: Person): Promise<string> {
  const { body } = await ada.select(await ada.login());
  expect(body).toMatchObject({ isMfaEnabled: true, mfaMethod: 'totp' });
  return body.token;
}
const verify = (browser: Browser, token: string, mfaToken: string) =>
  browser.send('POST', '/api/v2/auth/mfa/verify', { token, body: { mfaToken, mfaMethod: 'totp' } });

test('a second factor is set up, and asked for from then on', async () => {
  const ada = await invitePerson(server, 'ada@hanzo.ai');
  const before = await ada.enter();
  const recoveryCodes = await ada.setUpMfa();
  expect(new Set(recoveryCodes).size).toBe(10);
  for (const code of recoveryCodes) expect(code).toMatch(/^[a-z2-9]{8}$/);
  expect(ada.authenticator?.seed).toMatch(/^[A-Z2-7]{32}$/);
  // A session from before, which was never asked, is over.
  expect((await server.send('GET', members(), { token: before })).status).toBe(401);
  const token = await challenge(ada);
  const { status, body } = await verify(ada, token, await ada.freshCode());
  expect([status, body]).toEqual([200, expect.objectContaining({ token: expect.any(String), encryptionVersion: 2 })]);
  expect((await server.send('GET', members(), { token: body.token })).status).toBe(200);
  const status2 = await server.send('GET', '/api/v1/user/me/totp', { token: body.token });
  expect(status2.body).toEqual({ isVerified: true, recoveryCodes: [], recoveryCodesLeft: 10 });
});

test('a password alone opens nothing of an account with a second factor', async () => {
  const { ada } = await withMfa();
  const thief = new Browser(server);
  const login = { body: { email: ada.email, password: ada.password } };
  const account = (await thief.send('POST', '/api/v3/auth/login', login)).body.accessToken;
  const asked = (
    await thief.send('POST', '/api/v3/auth/select-organization', {
      token: account,
      body: { organizationId: server.organizationId },
    })
  ).body.token;
  for (const [method, url, body] of [
    ['GET', members()],
    ['GET', '/api/v1/organization'],
    ['GET', '/api/v1/user'],
    ['POST', '/api/v3/auth/select-organization', { organizationId: server.organizationId }],
  ] as const) {
    expect([url, (await thief.send(method, url, { token: asked, body })).status]).toEqual([url, 401]);
  }
  for (const [method, url, body] of [
    ['DELETE', '/api/v1/user/me/totp'],
    ['POST', '/api/v1/user/me/totp/register'],
    ['POST', '/api/v1/user/me/totp/recovery-codes'],
    ['PATCH', '/api/v2/users/me/mfa', { isMfaEnabled: false }],
    ['PATCH', '/api/v2/users/me/name', { firstName: 'Eve', lastName: '' }],
    [
      'POST',
      '/api/v2/password/user/password-reset',
      { oldPassword: ada.password, newPassword: 'eleven grey geese march' },
    ],
    ['DELETE', '/api/v2/users/me/sessions'],
    ['DELETE', '/api/v2/users/me'],
  ] as const) {
    const answer = await thief.send(method, url, { token: account, body });
    expect([url, answer.status, answer.body.message]).toEqual([url, 403, expect.stringContaining('second factor')]);
  }
  // The cookie that came with the password goes on to no organization either.
  const refreshed = await thief.send('POST', '/api/v1/auth/token');
  expect(refreshed.body.organizationId).toBeUndefined();
  expect((await thief.send('GET', members(), { token: refreshed.body.token })).status).toBe(404);
  expect(thief.cookie('kms-device')).toBeUndefined();
});

test('a code works once, for whoever sends it first', async () => {
  const { ada } = await withMfa();
  const code = await ada.freshCode();
  const [one, two] = [await challenge(ada), await challenge(ada)];
  const answers = await Promise.all([verify(ada, one, code), verify(ada, two, code)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
  const third = await verify(ada, await challenge(ada), code);
  expect([third.status, third.body.message]).toEqual([401, 'this code is not right, or was used before']);
});

test('clocks may differ by half a minute and no more', async () => {
  const { ada } = await withMfa();
  for (const [steps, status] of [
    [-3, 401],
    [-1, 200],
    [1, 200],
    [3, 401],
    // An older one than the last that was used.
    [0, 401],
  ] as const) {
    if (steps === -1) await ada.freshCode();
    const answer = await verify(ada, await challenge(ada), await ada.authenticator!.code(steps));
    expect([steps, answer.status]).toEqual([steps, status]);
  }
});

test('a recovery code works once, however it is typed', async () => {
  const { ada, recoveryCodes } = await withMfa();
  const [code = '', other = ''] = recoveryCodes;
  const typed = `${code.slice(0, 4).toUpperCase()}-${code.slice(4)} `;
  const url = '/api/v2/auth/mfa/verify/recovery-code';
  const first = await ada.send('POST', url, { token: await challenge(ada), body: { recoveryCode: typed } });
  expect(first.status).toBe(200);
  const again = await ada.send('POST', url, { token: await challenge(ada), body: { recoveryCode: code } });
  expect(again.status).toBe(401);
  // A command line has one prompt for both.
  expect((await verify(ada, await challenge(ada), other)).status).toBe(200);
  const { body } = await server.send('GET', '/api/v1/user/me/totp', { token: first.body.token });
  expect(body.recoveryCodesLeft).toBe(8);
  const renewed = await server.send('POST', '/api/v1/user/me/totp/recovery-codes', { token: first.body.token });
  expect(renewed.body.recoveryCodes).toHaveLength(10);
  expect((await verify(ada, await challenge(ada), recoveryCodes[2]!)).status).toBe(401);
});

test('a challenge takes five tries, and an account few more', async () => {
  const { ada } = await withMfa();
  const guesser = new Browser(server);
  const token = await challenge(ada);
  const statuses: number[] = [];
  for (let n = 0; n < 6; n++) statuses.push((await verify(guesser, token, `00000${n}`)).status);
  expect(statuses).toEqual([401, 401, 401, 401, 401, 401]);
  // Another challenge, another address: the account is what counts.
  const next = await server.app.inject({
    method: 'POST',
    url: '/api/v2/auth/mfa/verify',
    remoteAddress: '198.51.100.9',
    headers: { authorization: `Bearer ${await challenge(ada)}` },
    payload: { mfaToken: '000009' },
  });
  expect(next.statusCode).toBe(429);
  // Its owner's browser is known.
  expect((await verify(ada, await challenge(ada), await ada.freshCode())).status).toBe(200);
});

test('an organization can ask for a second factor', async () => {
  const grace = await invitePerson(server, 'grace@hanzo.ai');
  const { ada } = await withMfa();
  const [without, withIt] = [await grace.enter(), await ada.enter()];
  const url = `/api/v1/organization/${server.organizationId}`;
  const { organization } = await server.do('PATCH', url, { body: { enforceMfa: true } });
  expect(organization.enforceMfa).toBe(true);
  expect((await server.send('GET', members(), { token: without })).status).toBe(401);
  expect((await server.send('GET', members(), { token: withIt })).status).toBe(200);
  const refused = await grace.select(await grace.login());
  expect([refused.status, refused.body.message]).toEqual([
    403,
    expect.stringContaining('/api/v1/user/me/totp/register'),
  ]);
  await grace.setUpMfa();
  const token = await grace.enter();
  const kept = await server.send('DELETE', '/api/v1/user/me/totp', { token });
  expect([kept.status, kept.body.message]).toEqual([400, expect.stringContaining('asks for a second factor')]);
  await server.do('PATCH', url, { body: { enforceMfa: false } });
  expect((await server.send('DELETE', '/api/v1/user/me/totp', { token })).status).toBe(200);
  expect((await grace.select(await grace.login())).body.isMfaEnabled).toBe(false);
});

test('a token that was left lying about takes no factor away', async () => {
  const { ada } = await withMfa();
  const token = await ada.enter();
  const old = "authenticated_at = now() - interval '16 minutes', mfa_at = now() - interval '16 minutes'";
  await server.sql.query(`update sessions set ${old} where user_id = $1`, [ada.id]);
  for (const [method, url] of [
    ['DELETE', '/api/v1/user/me/totp'],
    ['POST', '/api/v1/user/me/totp/recovery-codes'],
    ['DELETE', '/api/v2/users/me'],
  ] as const) {
    const answer = await server.send(method, url, { token });
    expect([url, answer.status, answer.body.message]).toEqual([url, 403, expect.stringContaining('last 15 minutes')]);
  }
});

test('a seed that was moved to another account does not open', async () => {
  const [{ ada }, { ada: eve }] = [await withMfa(), await withMfa()];
  await server.sql.query(
    'update totp_factors set sealed_seed = (select sealed_seed from totp_factors where user_id = $2), last_step = 0 where user_id = $1',
    [ada.id, eve.id],
  );
  const answer = await verify(ada, await challenge(ada), await eve.authenticator!.code());
  expect(answer.status).not.toBe(200);
});

test('the database holds neither seeds nor recovery codes', async () => {
  const { ada, recoveryCodes } = await withMfa();
  const { rows } = await server.sql.query(
    `select to_jsonb(f)::text as text from totp_factors f union all select to_jsonb(r)::text from recovery_codes r
     union all select to_jsonb(a)::text from audit_log a`,
  );
  const secret = new RegExp([ada.authenticator!.seed, ...recoveryCodes].join('|'), 'i');
  for (const { text } of rows) expect(text).not.toMatch(secret);
});
