import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser, invitePerson, type Person } from '../../support/person.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const CODE = '/api/v1/auth/command-line/code';
const TOKEN = '/api/v1/auth/command-line/token';
const members = () => `/api/v2/organizations/${server.organizationId}/memberships`;
let people = 0;
const person = () => invitePerson(server, `shell-${people++}@hanzo.ai`);

const newVerifier = () => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
};
const askCode = (token: string, challenge: string, headers = {}) =>
  server.send('POST', CODE, { token, body: { challenge }, headers });
const redeem = (code: string, verifier: string, headers = {}) =>
  server.send('POST', TOKEN, { body: { code, verifier }, headers: { 'user-agent': 'kms-cli', ...headers } });

/** A login that a browser has begun to hand over. */
async function begun(ada?: Person) {
  const who = ada ?? (await person());
  const token = await who.enter();
  const pair = newVerifier();
  const { status, body } = await askCode(token, pair.challenge);
  expect(status).toBe(200);
  return { ada: who, token, ...pair, code: body.code as string };
}

test('a code becomes a session of its own, which goes on and ends apart from the browser', async () => {
  const { ada, code, verifier, token } = await begun();
  const { status, body, headers } = await redeem(code, verifier);
  expect([status, headers['cache-control'], headers['set-cookie']]).toEqual([200, 'no-store', undefined]);
  expect(body).toMatchObject({ email: ada.email, organizationId: server.organizationId, organizationSlug: 'hanzo' });
  expect((await server.send('GET', members(), { token: body.token })).status).toBe(200);
  const shell = new Browser(server);
  shell.setCookie('jid', body.refreshToken, '/api/v1/auth');
  const gone = await shell.send('POST', '/api/v1/auth/token');
  expect([gone.status, gone.body.organizationId]).toEqual([200, server.organizationId]);
  await ada.send('POST', '/api/v1/auth/logout');
  expect((await server.send('GET', members(), { token })).status).toBe(401);
  expect((await server.send('GET', members(), { token: gone.body.token })).status).toBe(200);
  const { rows } = await server.sql.query(
    "select outcome, user_agent from audit_log where event = 'login-command-line' and actor_id = $1",
    [ada.id],
  );
  expect(rows).toEqual([{ outcome: 'allowed', user_agent: 'kms-cli' }]);
});

describe('a code is refused', () => {
  test('the second time', async () => {
    const { code, verifier } = await begun();
    expect((await redeem(code, verifier)).status).toBe(200);
    expect(await redeem(code, verifier)).toMatchObject({
      status: 401,
      body: { message: expect.stringContaining('was used') },
    });
  });

  test('of two at once, but for one', async () => {
    const { code, verifier } = await begun();
    const both = await Promise.all([redeem(code, verifier), redeem(code, verifier)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 401]);
  });

  test('with the verifier of another command line, and is gone with it', async () => {
    const { ada, code, verifier } = await begun();
    expect((await redeem(code, newVerifier().verifier)).status).toBe(401);
    expect((await redeem(code, verifier)).status).toBe(401);
    const { rows } = await server.sql.query(
      "select outcome from audit_log where event = 'login-command-line' and actor_id = $1",
      [ada.id],
    );
    expect(rows).toEqual([{ outcome: 'refused' }]);
  });

  test('with its challenge in place of the verifier', async () => {
    const { code, challenge } = await begun();
    expect((await redeem(code, challenge)).status).toBe(401);
  });

  test('after its minute', async () => {
    const { code, verifier } = await begun();
    await server.sql.query("update command_line_codes set expires_at = now() - interval '1 second'");
    expect((await redeem(code, verifier)).status).toBe(401);
  });

  test.each([
    { name: 'was logged out', by: (ada: Person) => ada.send('POST', '/api/v1/auth/logout') },
    {
      name: 'was deactivated',
      by: (ada: Person) => server.do('PATCH', `${members()}/${ada.membershipId}`, { body: { isActive: false } }),
    },
    {
      name: 'has set a second factor up meanwhile',
      by: (ada: Person) => ada.setUpMfa(),
    },
  ])('when its person $name', async ({ by }) => {
    const { ada, code, verifier } = await begun();
    await by(ada);
    expect((await redeem(code, verifier)).status).toBe(401);
  });

  test.each(['cross-site', 'same-site'])('that a page of another origin sends (%s)', async (site) => {
    const { code, verifier } = await begun();
    expect((await redeem(code, verifier, { 'sec-fetch-site': site })).status).toBe(403);
    expect((await redeem(code, verifier)).status).toBe(200);
  });
});

describe('no code is given', () => {
  const { challenge } = newVerifier();

  test('to a stranger, a machine, or a login that has not chosen or shown its second factor', async () => {
    const ada = await person();
    const { token: machine } = await server.machine('ci');
    await ada.setUpMfa();
    const account = await ada.login();
    const waiting = (await ada.select(account)).body.token;
    expect((await server.send('POST', CODE, { body: { challenge } })).status).toBe(401);
    expect((await askCode(machine, challenge)).status).toBe(403);
    expect((await askCode(account, challenge)).status).toBe(400);
    expect((await askCode(waiting, challenge)).status).toBe(401);
    expect((await askCode(await ada.enter(), challenge)).status).toBe(200);
  });

  test('to a token of an older login, which may have been stolen; nor is a new login made of a handed one', async () => {
    const { ada, token, code, verifier } = await begun();
    const shell = (await redeem(code, verifier)).body.token;
    await server.sql.query("update sessions set authenticated_at = now() - interval '14 minutes' where user_id = $1", [
      ada.id,
    ]);
    const again = (await askCode(shell, newVerifier().challenge)).status;
    await server.sql.query("update sessions set authenticated_at = now() - interval '16 minutes' where user_id = $1", [
      ada.id,
    ]);
    const late = await askCode(token, challenge);
    expect([again, late.status, late.body.message]).toEqual([200, 403, expect.stringContaining('last 15 minutes')]);
  });

  test('that would make a login younger than it is', async () => {
    const { ada, code, verifier } = await begun();
    await server.sql.query("update sessions set authenticated_at = now() - interval '14 minutes' where user_id = $1", [
      ada.id,
    ]);
    await redeem(code, verifier);
    const { rows } = await server.sql.query(
      "select count(*)::int as n, count(*) filter (where authenticated_at < now() - interval '13 minutes')::int as old from sessions where user_id = $1 and ended_at is null",
      [ada.id],
    );
    expect(rows[0].n).toBe(rows[0].old);
  });

  test('to a page of another origin', async () => {
    const token = await (await person()).enter();
    expect((await askCode(token, challenge, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
  });

  test.each(['', 'short', 'x'.repeat(44), `${'x'.repeat(42)}!`])('for %j, which is no challenge', async (wrong) => {
    const token = await (await person()).enter();
    expect((await askCode(token, wrong)).status).toBe(422);
  });
});

test('the database holds no code that could be used', async () => {
  const { code } = await begun();
  const { rows } = await server.sql.query('select to_jsonb(c)::text as text from command_line_codes c');
  expect(rows.length).toBeGreaterThan(0);
  expect(JSON.stringify(rows)).not.toContain(code);
});

test('the page is framed by nobody, takes nothing from elsewhere, and shows nothing of its address', async () => {
  const { challenge } = newVerifier();
  const { status, headers, text } = await server.send('GET', `/login/command-line?port=1&challenge=${challenge}<b>`);
  expect([status, headers['x-frame-options'], headers['cache-control']]).toEqual([200, 'DENY', 'no-store']);
  const policy = String(headers['content-security-policy']);
  for (const part of ["default-src 'none'", "frame-ancestors 'none'", "script-src 'self'"])
    expect(policy).toContain(part);
  expect(policy).not.toContain('unsafe');
  expect(text).not.toContain(challenge);
  const style = /<style>(.*?)<\/style>/s.exec(text)![1]!;
  expect(policy).toContain(createHash('sha256').update(style).digest('base64'));
});
