import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAuthSecret, signAccessToken, signingKeys } from '../../../keys/index.ts';
import { type Answer, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

const ASK = '/api/v1/organization';
const use = (token: string): Promise<Answer> => server.send('GET', ASK, { token });
const renew = (accessToken: string): Promise<Answer> =>
  server.send('POST', '/api/v1/auth/token/renew', { body: { accessToken } });
const revoke = (accessToken: string): Promise<Answer> =>
  server.send('POST', '/api/v1/auth/token/revoke', { body: { accessToken } });

/** A login with these settings. */
async function loggedIn(settings: object = {}) {
  const machine = await server.machine('service');
  await server.do('PATCH', `/api/v1/auth/universal-auth/identities/${machine.id}`, { body: settings });
  const token = await server.login(machine.clientId, machine.clientSecret);
  return { ...machine, token, row: claimsOf(token).identityAccessTokenId as string };
}
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
/** Lets time pass for one token: its row is what counts, by the database's clock. */
const age = (row: string, seconds: number) =>
  server.sql.query(
    `update access_tokens set created_at = created_at - $2 * interval '1 second', expires_at = expires_at - $2 * interval '1 second' where id = $1`,
    [row, seconds],
  );

test('a renewal lengthens a token up to its max TTL', async () => {
  const { token, row } = await loggedIn({ accessTokenTTL: 100, accessTokenMaxTTL: 250 });
  await age(row, 90);
  const first = await renew(token);
  expect(first.body).toEqual({
    accessToken: expect.any(String),
    expiresIn: 100,
    accessTokenMaxTTL: 250,
    tokenType: 'Bearer',
  });
  // Both spellings are the same row: a client that keeps the first token goes on as well.
  await age(row, 90);
  expect([(await use(token)).status, (await use(first.body.accessToken)).status]).toEqual([200, 200]);
  const last = await renew(token);
  expect(last.body.expiresIn).toBeGreaterThan(60);
  expect(last.body.expiresIn).toBeLessThanOrEqual(71);
  await age(row, 71);
  expect((await use(last.body.accessToken)).body.message).toBe('this access token has expired; log in again');
  expect((await renew(last.body.accessToken)).status).toBe(401);
});

test('an expired token is refused and not renewed', async () => {
  const { token, row } = await loggedIn({ accessTokenTTL: 1, accessTokenMaxTTL: 100 });
  await expect.poll(async () => (await use(token)).status, { timeout: 4000, interval: 100 }).toBe(401);
  const refused = await use(token);
  expect(refused.body).toMatchObject({
    statusCode: 401,
    error: 'TokenError',
    message: 'this access token has expired; log in again',
  });
  expect(refused.headers['www-authenticate']).toBe('Bearer');
  expect((await renew(token)).body).toMatchObject({
    statusCode: 401,
    message: 'this access token has ended and cannot be renewed; log in again',
  });
  expect((await server.sql.query('select revoked_at from access_tokens where id = $1', [row])).rowCount).toBe(1);
});

test('a revoked token is out on the next request', async () => {
  const { token, clientId, clientSecret } = await loggedIn();
  const renewed = (await renew(token)).body.accessToken;
  expect((await revoke(token)).body).toEqual({ message: 'Successfully revoked access token' });
  for (const each of [token, renewed]) {
    expect((await use(each)).body).toMatchObject({
      statusCode: 401,
      message: 'this access token has been revoked; log in again',
    });
    expect((await renew(each)).status).toBe(401);
  }
  // Again changes nothing, and other sessions of the identity go on.
  expect((await revoke(token)).status).toBe(200);
  expect((await use(await server.login(clientId, clientSecret))).status).toBe(200);
});

test.each<{ what: string; end: (machine: Awaited<ReturnType<typeof loggedIn>>) => Promise<unknown> }>([
  {
    what: 'its client secret is revoked',
    end: ({ id, clientSecretId }) =>
      server.do('POST', `/api/v1/auth/universal-auth/identities/${id}/client-secrets/${clientSecretId}/revoke`),
  },
  {
    what: 'Universal Auth is detached',
    end: ({ id }) => server.do('DELETE', `/api/v1/auth/universal-auth/identities/${id}`),
  },
  { what: 'its identity is deleted', end: ({ id }) => server.do('DELETE', `/api/v1/identities/${id}`) },
  {
    what: 'its address is no longer trusted',
    end: ({ id }) =>
      server.do('PATCH', `/api/v1/auth/universal-auth/identities/${id}`, {
        body: { accessTokenTrustedIps: [{ ipAddress: '192.0.2.0/24' }] },
      }),
  },
])('a token ends the moment $what', async ({ end }) => {
  const machine = await loggedIn();
  expect((await use(machine.token)).status).toBe(200);
  await end(machine);
  const refused = await use(machine.token);
  expect([refused.status, refused.body.error]).toEqual([401, 'TokenError']);
  expect((await renew(machine.token)).status).toBe(401);
});

/** Tokens that look like ours, made by somebody who knows everything but the signing key. */
function forgeries(real: string): Record<string, string> {
  const [header, payload, signature] = real.split('.') as [string, string, string];
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = claimsOf(real);
  const signedWith = (key: Buffer | string, head = header, body = payload, hash = 'sha256') =>
    `${head}.${body}.${createHmac(hash, key).update(`${head}.${body}`).digest('base64url')}`;
  const fields = JSON.parse(Buffer.from(header, 'base64url').toString());
  const flipped = signature.startsWith('A') ? `B${signature.slice(1)}` : `A${signature.slice(1)}`;
  const authSecret = Buffer.from(server.secrets.authSecret, 'base64');
  return {
    'another key': signedWith(randomBytes(32)),
    'an empty key': signedWith(''),
    'AUTH_SECRET itself as key': signedWith(authSecret),
    'AUTH_SECRET as text': signedWith(server.secrets.authSecret),
    'the root key': signedWith(Buffer.from(server.secrets.rootKey, 'base64')),
    'alg none': `${encode({ ...fields, alg: 'none' })}.${payload}.`,
    'alg none with a signature': `${encode({ ...fields, alg: 'none' })}.${payload}.${signature}`,
    'alg HS512': signedWith(authSecret, encode({ ...fields, alg: 'HS512' }), payload, 'sha512'),
    'alg RS256': `${encode({ ...fields, alg: 'RS256' })}.${payload}.${signature}`,
    'no signature': `${header}.${payload}.`,
    'no third part': `${header}.${payload}`,
    'a flipped signature': `${header}.${payload}.${flipped}`,
    'a cut signature': `${header}.${payload}.${signature.slice(0, -1)}`,
    'a longer life': `${header}.${encode({ ...claims, exp: claims.exp + 1 })}.${signature}`,
    'another identity': `${header}.${encode({ ...claims, identityId: randomUUID() })}.${signature}`,
    'a key of its own': signedWith('k', encode({ ...fields, jwk: { kty: 'oct', k: 'aw' } })),
    'another kid': signedWith('k', encode({ ...fields, kid: '../../dev/null' })),
    'no kid': signedWith('k', encode({ alg: 'HS256', typ: 'JWT' })),
    'another server': signAccessToken(signingKeys(parseAuthSecret(randomBytes(32).toString('base64'))), claims),
    'our server, a token that is not there': signAccessToken(signingKeys(parseAuthSecret(server.secrets.authSecret)), {
      ...claims,
      identityAccessTokenId: randomUUID(),
    }),
    'plain text': 'admin',
    'a client secret': 'st.abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
    'a service token': 'st.64f1.9c1185a5c5e9fc54612808977ee8f548.b2258',
    'dots alone': '..',
    'a token twice': `${real}.${real}`,
    '1 MB': `${header}.${'A'.repeat(100_000)}.${signature}`,
  };
}

test('no forged token gets anywhere', async () => {
  const { token } = await loggedIn();
  expect((await use(token)).status).toBe(200);
  for (const [name, forged] of Object.entries(forgeries(token))) {
    for (const answer of [await use(forged), await renew(forged)]) {
      const status = name === '1 MB' && answer.body.statusCode === 422 ? 422 : 401;
      expect([name, answer.status], answer.text).toEqual([name, status]);
      expect(answer.text).not.toContain(forged.slice(0, 200).padEnd(8));
    }
  }
  expect((await use(token)).status).toBe(200);
});

test.each([
  { what: 'no header', authorization: undefined, error: 'UnauthorizedError' },
  { what: 'an empty header', authorization: '', error: 'TokenError' },
  { what: 'Basic', authorization: 'Basic YTpi', error: 'TokenError' },
  { what: 'a bearer without token', authorization: 'Bearer ', error: 'TokenError' },
  { what: 'two tokens', authorization: 'Bearer a b', error: 'TokenError' },
])('$what is a 401', async ({ authorization, error }) => {
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
  const answer = await server.send('GET', ASK, { headers });
  expect([answer.status, answer.body.error]).toEqual([401, error]);
});

test('a token in the query or a cookie is none', async () => {
  const { token } = await loggedIn();
  const answers = [
    await server.send('GET', `${ASK}?access_token=${token}`),
    await server.send('GET', ASK, { headers: { cookie: `jid=${token}; token=${token}` } }),
    await server.send('GET', ASK, { headers: { 'x-api-key': token } }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401]);
});

test('forgeries cost no statement', async () => {
  const count = async () => {
    const { rows } = await server.sql.query(
      'select sum(calls)::int as calls from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database()) and userid = (select oid from pg_roles where rolname = current_user)',
    );
    return rows[0].calls as number;
  };
  const { token } = await loggedIn();
  const forged = `${token.slice(0, -4)}AAAA`;
  // The look itself is one statement, and the server's own timers may write a counter meanwhile.
  const before = await count();
  await Promise.all(Array.from({ length: 50 }, () => use(forged)));
  expect((await count()) - before).toBeLessThan(10);
});

test('the database holds no client secret and no token', async () => {
  const machine = await loggedIn();
  const renewed = (await renew(machine.token)).body.accessToken as string;
  const searched = {
    'client secret': machine.clientSecret,
    'client secret without its mark': machine.clientSecret.slice(3),
    'client secret, decoded': Buffer.from(machine.clientSecret.slice(3), 'base64url').toString('hex'),
    token: machine.token,
    'token signature': machine.token.split('.')[2]!,
    'renewed token': renewed.split('.')[2]!,
    'admin token': server.admin.split('.')[2]!,
    'root key': server.secrets.rootKey,
    'root key, decoded': Buffer.from(server.secrets.rootKey, 'base64').toString('hex'),
    'auth secret': server.secrets.authSecret,
    'auth secret, decoded': Buffer.from(server.secrets.authSecret, 'base64').toString('hex'),
  };
  const { rows: tables } = await server.sql.query(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
  );
  expect(tables.length).toBeGreaterThan(15);
  // The search itself finds what is there: a client secret's shown beginning.
  expect(await found('client_secrets', machine.clientSecret.slice(0, 7))).toBeGreaterThan(0);
  for (const { name } of tables) {
    for (const [what, text] of Object.entries(searched))
      expect([name, what, await found(name, text)]).toEqual([name, what, 0]);
  }
});

/** How many rows hold a text, as text or as bytes. */
async function found(table: string, text: string): Promise<number> {
  const { rows } = await server.sql.query(
    `select count(*)::int as n from ${table} t
      where position($1 in t::text) > 0 or position(encode(convert_to($1, 'UTF8'), 'hex') in t::text) > 0`,
    [text],
  );
  return rows[0].n;
}

test("a token whose row was made another's is nobody's, and is not renewed", async () => {
  const { token, row } = await loggedIn();
  const { rows } = await server.sql.query(
    `update access_tokens set actor_id = (select a.id from actors a join identities i on i.id = a.id where a.instance_admin limit 1)
      where id = $1 returning actor_id`,
    [row],
  );
  expect(rows).toHaveLength(1);
  for (const answer of [await use(token), await renew(token)]) expect(answer.status, answer.text).toBe(401);
  const audited = await server.sql.query(`select outcome from audit_log where event = 'token-row-changed'`);
  expect(audited.rows).toEqual([{ outcome: 'refused' }]);
});
