import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeProof, parseAuthSecret } from '../../../keys/index.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const PATH = '/api/v1/admin/recovery-session';
const call = (body: object, proof = server.proof('POST', PATH, body)) =>
  server.send('POST', PATH, { body, headers: { 'x-kms-proof': proof } });

test('a proof opens a session for a named instance admin', async () => {
  const { status, body } = await call({ email: 'Z@Hanzo.ai' });
  expect([status, body]).toEqual([
    200,
    { accessToken: expect.any(String), expiresIn: 7200, accessTokenMaxTTL: 7200, tokenType: 'Bearer' },
  ]);
  const { organizations } = await server.do('GET', '/api/v1/organization', { token: body.accessToken });
  expect(organizations).toMatchObject([{ slug: 'hanzo' }]);
  const { rows } = await server.sql.query(
    "select actor_name, actor_kind, action, outcome from audit_log where event = 'recovery-session'",
  );
  expect(rows).toEqual([{ actor_name: 'z@hanzo.ai', actor_kind: 'user', action: 'login', outcome: 'allowed' }]);
  await server.send('POST', '/api/v1/auth/token/revoke', { body: { accessToken: body.accessToken } });
  expect((await server.send('GET', '/api/v1/organization', { token: body.accessToken })).status).toBe(401);
});

test.each(['member', 'admin'])('being %s of an organization opens no session', async (role) => {
  const email = `${role}@hanzo.ai`;
  await server.do('POST', `/api/v2/organizations/${server.organizationId}/memberships`, { body: { email, role } });
  const answers = [await call({ email }), await call({ email: 'nobody@hanzo.ai' })];
  expect(answers.map(({ status, body }) => [status, body.message])).toEqual([
    [404, `${email} is no admin of this instance`],
    [404, 'nobody@hanzo.ai is no admin of this instance'],
  ]);
});

test('without a proof that holds, nobody is told anything', async () => {
  const body = { email: 'z@hanzo.ai' };
  const other = parseAuthSecret(randomBytes(32).toString('base64'));
  const own = parseAuthSecret(server.secrets.authSecret);
  const text = JSON.stringify(body);
  const used = server.proof('POST', PATH, body);
  await call(body, used);
  for (const proof of [
    '',
    used,
    makeProof(other, { method: 'POST', path: PATH, body: text }),
    makeProof(own, { method: 'POST', path: '/api/v1/admin/bootstrap', body: text }),
    makeProof(own, { method: 'POST', path: PATH, body: JSON.stringify({ email: 'other@hanzo.ai' }) }),
    makeProof(own, { method: 'POST', path: PATH, body: text }, new Date(Date.now() - 301_000)),
  ]) {
    const answer = await call(body, proof);
    expect([answer.status, answer.body.error]).toEqual([403, 'PermissionDenied']);
  }
  expect((await server.send('POST', PATH, { body })).status).toBe(403);
  // A token is no proof either, not even an admin's.
  expect((await server.send('POST', PATH, { body, token: server.admin })).status).toBe(403);
});
