import { afterAll, beforeAll, expect, test } from 'vitest';
import { Person } from '../../support/person.ts';
import { startEmptyServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startEmptyServer();
});
afterAll(() => server.close());

const PATH = '/api/v1/admin/signup';
const PASSWORD = 'seven unrelated swans glide';
const body = { email: 'z@hanzo.ai', password: PASSWORD, firstName: 'Z', lastName: 'K', organization: 'Hanzo' };
const proof = (given: object = body) => ({ 'x-kms-proof': server.proof('POST', PATH, given) });

test('nobody becomes the first admin without a proof of kms-secrets', async () => {
  expect((await server.send('POST', PATH, { body })).status).toBe(403);
  expect((await server.send('POST', PATH, { body, headers: proof({ ...body, email: 'eve@hanzo.ai' }) })).status).toBe(
    403,
  );
  const weak = { ...body, password: 'password1234' };
  expect((await server.send('POST', PATH, { body: weak, headers: proof(weak) })).status).toBe(422);
  expect((await server.send('GET', '/api/v1/admin/config')).body.config.initialized).toBe(false);
});

test('the first admin signs up, and is logged in', async () => {
  const z = new Person(server, body.email);
  z.password = PASSWORD;
  const { status, body: answer } = await z.send('POST', PATH, { body, headers: proof() });
  expect([status, answer]).toEqual([
    200,
    {
      message: 'Successfully set up admin account',
      user: expect.objectContaining({ email: body.email, firstName: 'Z', superAdmin: true }),
      organization: expect.objectContaining({ slug: 'hanzo' }),
      token: expect.any(String),
      new: 'true',
    },
  ]);
  const token = (await z.select(answer.token, answer.organization.id)).body.token;
  expect((await server.send('POST', '/api/v2/organizations', { token, body: { name: 'Lux' } })).status).toBe(200);
  await z.enter(answer.organization.id);
});

test('there is one first admin', async () => {
  const again = { ...body, email: 'late@hanzo.ai' };
  const answer = await server.send('POST', PATH, { body: again, headers: proof(again) });
  expect([answer.status, answer.body.error]).toEqual([409, 'Conflict']);
  expect((await server.sql.query("select from users where email = 'late@hanzo.ai'")).rowCount).toBe(0);
});
