import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Answer, startServer, type TestServer } from '../../support/server.ts';

/** Client secrets that make their own successor, and whoever else would like to. */

let server: TestServer;
const logged: Record<string, unknown>[] = [];

beforeAll(async () => {
  server = await startServer({
    logStream: { write: (line) => void (line.includes('"alert"') && logged.push(JSON.parse(line))) },
  });
});
afterAll(() => server.close());

const AUTH = '/api/v1/auth/universal-auth';
interface Service {
  readonly id: string;
  readonly clientId: string;
  readonly secret: string;
  readonly secretId: string;
}

const make = (id: string, body: object) =>
  server.send('POST', `${AUTH}/identities/${id}/client-secrets`, { token: server.admin, body });

/** An identity with a client secret that may be renewed. */
async function service(terms: object = {}): Promise<Service> {
  const { id, clientId } = await server.machine('renewing');
  const { body } = await make(id, { renewable: true, ttl: 3600, description: 'of gateway', ...terms });
  return { id, clientId, secret: body.clientSecret, secretId: body.clientSecretData.id };
}
const login = ({ clientId }: Service, clientSecret: string): Promise<Answer> =>
  server.send('POST', `${AUTH}/login`, { body: { clientId, clientSecret } });
const renew = ({ clientId }: Service, clientSecret: string): Promise<Answer> =>
  server.send('POST', `${AUTH}/client-secrets/renew`, { body: { clientId, clientSecret } });
async function renewed(of: Service, secret = of.secret): Promise<string> {
  const { status, body } = await renew(of, secret);
  expect(status).toBe(200);
  return body.clientSecret;
}
const statuses = async (of: Service, ...secrets: string[]) => {
  const all: number[] = [];
  for (const secret of secrets) all.push((await login(of, secret)).status);
  return all;
};
const isLive = async (token: string) => (await server.send('GET', '/api/v1/organization', { token })).status === 200;
const kept = async ({ id }: Service) =>
  (await server.do('GET', `${AUTH}/identities/${id}/client-secrets`)).clientSecretData as Record<string, unknown>[];
const audited = async (identityId: string) =>
  (
    await server.sql.query(
      `select action, event, outcome, actor_kind, metadata from audit_log
        where (metadata ->> 'familyId') is not null and (actor_id = $1 or metadata ->> 'familyId' in
              (select metadata ->> 'familyId' from audit_log where actor_id = $1)) order by at`,
      [identityId],
    )
  ).rows;

test('a renewable secret makes its successor on the same terms, and both work until that was used', async () => {
  const one = await service();
  const first = (await login(one, one.secret)).body.accessToken;
  const { body } = await renew(one, one.secret);
  expect(body.expiresIn).toBeGreaterThan(3590);
  expect(body.clientSecretData).toMatchObject({
    description: 'of gateway',
    clientSecretTTL: 3600,
    clientSecretNumUses: 0,
    familyId: one.secretId,
    renewalsEndAt: null,
  });
  expect(await statuses(one, one.secret, one.secret, body.clientSecret, body.clientSecret)).toEqual([
    200, 200, 200, 200,
  ]);
  expect(await isLive(first)).toBe(true);
  expect(await audited(one.id)).toMatchObject([
    {
      ...{ action: 'create', event: 'renew-client-secret', outcome: 'allowed', actor_kind: 'identity' },
      metadata: { clientSecretId: body.clientSecretData.id, predecessorId: one.secretId, ttl: 3600 },
    },
  ]);
});

test('the use of a superseded secret ends the family with its tokens, and tells, once', async () => {
  const one = await service();
  const other = await make(one.id, {});
  const old = (await login(one, one.secret)).body.accessToken;
  const next = await renewed(one);
  const now = (await login(one, next)).body.accessToken;
  const pending = await renewed(one, next);
  const before = logged.length;
  const revoked = server.app.metrics;
  const answers = await Promise.all(Array.from({ length: 5 }, () => login(one, one.secret)));
  expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401]);
  expect(answers.some(({ text }) => text.includes('used after its successor'))).toBe(true);
  expect(await statuses(one, one.secret, next, pending)).toEqual([401, 401, 401]);
  expect([await isLive(old), await isLive(now)]).toEqual([false, false]);
  // Another secret of the identity is another family.
  expect(await statuses(one, other.body.clientSecret)).toEqual([200]);
  expect(logged.slice(before)).toMatchObject([
    { level: 50, alert: 'client-secret-reused', identityId: one.id, clientSecretId: one.secretId, ip: '127.0.0.1' },
  ]);
  expect((await audited(one.id)).slice(-2)).toMatchObject([
    { event: 'login-identity-universal-auth', outcome: 'refused', metadata: { reason: 'superseded' } },
    { event: 'revoke-client-secret-family', actor_kind: 'server', metadata: { revoked: 3, familyId: one.secretId } },
  ]);
  expect(await revoked.render()).toMatch(/^kms_client_secret_families_revoked_total [1-9]/m);
});

test.each([
  { who: 'logs in with the one before', use: login },
  { who: 'renews the one before', use: renew },
])('a thief who renews first is found out when the owner $who', async ({ use }) => {
  const one = await service();
  const stolen = await renewed(one);
  const thief = (await login(one, stolen)).body.accessToken;
  expect((await use(one, one.secret)).status).toBe(401);
  expect(await isLive(thief)).toBe(false);
  expect(await statuses(one, stolen)).toEqual([401]);
});

test("a thief's successor is void once the owner's has worked, and its use ends the family", async () => {
  const one = await service();
  const stolen = await renewed(one);
  const mine = await renewed(one);
  expect(await statuses(one, mine)).toEqual([200]);
  expect((await renew(one, stolen)).status).toBe(401);
  expect(await statuses(one, mine)).toEqual([401]);
});

test('two successors that were first used at the same moment do not both go on', async () => {
  const one = await service();
  const [a, b] = [await renewed(one), await renewed(one)];
  await Promise.all([login(one, a), login(one, b)]);
  expect([...(await statuses(one, a, b)), ...(await statuses(one, a, b))].slice(-3)).toEqual([401, 401, 401]);
});

test('an answer that was lost costs nothing: the one before is renewed again, and few successors are kept', async () => {
  const one = await service();
  const lost: string[] = [];
  for (let n = 0; n < 5; n++) lost.push(await renewed(one));
  expect((await kept(one)).filter(({ familyId }) => familyId === one.secretId)).toHaveLength(4);
  // Nor is what was given up left behind: it is no secret any more, and asking for it is no alarm.
  const { rows } = await server.sql.query('select from renewable_secrets where family_id = $1', [one.secretId]);
  expect(rows).toHaveLength(4);
  expect(await statuses(one, lost[0]!, one.secret, lost[4]!, lost[4]!)).toEqual([401, 200, 200, 200]);
});

test('a renewal is itself the use that supersedes the one before', async () => {
  const one = await service();
  const next = await renewed(one);
  const third = await renewed(one, next);
  expect(await statuses(one, next, third, one.secret, third)).toEqual([200, 200, 401, 401]);
});

test.each([
  { who: 'a secret that no admin made renewable', status: 403, message: /may not be renewed/ },
  { who: 'a wrong secret', status: 401, message: /do not go together/ },
  { who: 'the secret of another identity', status: 401, message: /do not go together/ },
  { who: 'a token without the secret', status: 422, message: /clientSecret/ },
])('$who makes no successor', async ({ who, status, message }) => {
  const one = await service();
  const plain = await make(one.id, { ttl: 60 });
  const stranger = await service();
  const token = (await login(one, one.secret)).body.accessToken;
  const body = {
    'a secret that no admin made renewable': { clientId: one.clientId, clientSecret: plain.body.clientSecret },
    'a wrong secret': { clientId: one.clientId, clientSecret: `${one.secret}x` },
    'the secret of another identity': { clientId: one.clientId, clientSecret: stranger.secret },
    'a token without the secret': { clientId: one.clientId },
  }[who];
  const count = (await kept(one)).length;
  const answer = await server.send('POST', `${AUTH}/client-secrets/renew`, { token, body });
  expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(message)]);
  expect(await kept(one)).toHaveLength(count);
});

test('what is asked for beyond the terms of the admin is not given', async () => {
  const one = await service({ ttl: 600, renewableFor: 900 });
  const body = { clientId: one.clientId, clientSecret: one.secret, ttl: 0, numUsesLimit: 0, renewableFor: 0 };
  const { body: next } = await server.send('POST', `${AUTH}/client-secrets/renew`, { body });
  expect(next.clientSecretData).toMatchObject({ clientSecretTTL: 600, renewalsEndAt: expect.any(String) });
  // 400 seconds later 500 are left of the family's.
  await server.sql.query(
    `update renewable_secrets set renewals_end_at = renewals_end_at - interval '400 seconds' where family_id = $1`,
    [one.secretId],
  );
  await server.sql.query(`update client_secrets set expires_at = expires_at - interval '400 seconds' where id = $1`, [
    next.clientSecretData.id,
  ]);
  const { body: last } = await renew(one, next.clientSecret);
  expect(last.clientSecretData.expiresAt).toBe(last.clientSecretData.renewalsEndAt);
  expect(last.expiresIn).toBeLessThanOrEqual(500);
  const refused = await renew(one, last.clientSecret);
  expect([refused.status, refused.body.message]).toEqual([403, expect.stringContaining('renewals')]);
  expect(await statuses(one, last.clientSecret)).toEqual([200]);
});

test('a secret is renewed from its trusted addresses alone', async () => {
  const one = await service();
  await server.do('PATCH', `${AUTH}/identities/${one.id}`, {
    body: { clientSecretTrustedIps: [{ ipAddress: '10.0.0.0/8' }] },
  });
  expect((await renew(one, one.secret)).status).toBe(403);
});

test.each([
  { what: 'no ttl', body: { renewable: true }, field: 'renewable' },
  { what: 'a limit of uses', body: { renewable: true, ttl: 60, numUsesLimit: 9 }, field: 'renewable' },
  { what: 'an end of renewals alone', body: { ttl: 60, renewableFor: 60 }, field: 'renewableFor' },
])('a secret with $what is not made renewable', async ({ body, field }) => {
  const { id } = await service();
  const { status, body: said } = await make(id, body);
  expect([status, JSON.stringify(said)]).toEqual([422, expect.stringContaining(`"${field}"`)]);
});

/** Statements that wait for a lock. */
const waiting = async () => {
  const sql = "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
  return (await server.sql.query(sql)).rows.length;
};

/** Answers a request that waited for somebody's transaction, which does `last` before it ends. */
async function meanwhile(first: string, id: string, ask: () => Promise<Answer>, last = 'select $1::uuid') {
  const holder = new pg.Client(server.database.uri);
  await holder.connect();
  await holder.query('begin');
  await holder.query(first, [id]);
  const answer = ask();
  await expect.poll(waiting).toBe(1);
  await holder.query(last, [id]);
  await holder.query('commit');
  await holder.end();
  return answer;
}

test('a successor that is first used while it would be given up goes on', async () => {
  const one = await service();
  const { body: mine } = await renew(one, one.secret);
  for (let n = 0; n < 2; n++) await renewed(one);
  const use = 'update client_secrets set num_uses = num_uses + 1 where id = $1';
  const late = await meanwhile(use, mine.clientSecretData.id, () => renew(one, one.secret));
  expect(late.status).toBe(200);
  expect(await statuses(one, mine.clientSecret)).toEqual([200]);
});

test('a secret that is revoked while it is renewed has ended, and is not said to be one that may not be renewed', async () => {
  const one = await service();
  const lock = `select from universal_auths ua join client_secrets cs on cs.universal_auth_id = ua.id where cs.id = $1 for update of ua`;
  const end = 'update client_secrets set revoked_at = now() where id = $1';
  const late = await meanwhile(lock, one.secretId, () => renew(one, one.secret), end);
  expect(late.status).toBe(401);
});

test('revoking one revokes what came of it, and what is being made at that moment', async () => {
  const one = await service();
  const next = await renewed(one);
  const token = (await login(one, next)).body.accessToken;
  const pending = await renewed(one, next);
  const url = `${AUTH}/identities/${one.id}/client-secrets/${one.secretId}/revoke`;
  // The renewal has looked and is about to write when the revocation comes.
  const holder = new pg.Client(server.database.uri);
  await holder.connect();
  await holder.query('begin');
  await holder.query('lock table renewable_secrets in share mode');
  const late = renew(one, next);
  await expect.poll(waiting).toBe(1);
  let isDone = false;
  const revocation = server.do('POST', url).finally(() => (isDone = true));
  await expect.poll(async () => isDone || (await waiting()) === 2).toBe(true);
  await holder.query('commit');
  await holder.end();
  await revocation;
  const { status, body } = await late;
  expect(await statuses(one, ...[next, pending, ...(status === 200 ? [body.clientSecret] : [])].slice(-2))).toEqual([
    401, 401,
  ]);
  expect(await isLive(token)).toBe(false);
  expect((await kept(one)).filter(({ familyId }) => familyId !== null)).toEqual([]);
});

test('one that has ended is a wrong secret, superseded or not: a restored backup ends no family', async () => {
  const one = await service();
  const next = await renewed(one);
  expect(await statuses(one, next)).toEqual([200]);
  await server.sql.query('update client_secrets set expires_at = now() where id = $1', [one.secretId]);
  expect(await statuses(one, one.secret, next)).toEqual([401, 200]);
  expect((await renew(one, one.secret)).status).toBe(401);
});

test('a family that is renewed for ever does not grow', async () => {
  const one = await service();
  await server.do('PATCH', `${AUTH}/identities/${one.id}`, { body: { accessTokenTTL: 60, accessTokenMaxTTL: 60 } });
  let secret = one.secret;
  for (let n = 0; n < 6; n++) {
    const next = await renewed(one, secret);
    await login(one, next);
    // The one before ends, and its tokens some time later.
    await server.sql.query(
      `update client_secrets set expires_at = now() - interval '1 second' where id in
         (select client_secret_id from renewable_secrets where family_id = $1) and num_uses > 0
          and created_at < (select max(created_at) from client_secrets where universal_auth_id =
              (select id from universal_auths where identity_id = $2))`,
      [one.secretId, one.id],
    );
    await server.sql.query(
      'update access_tokens set expires_at = now() where client_secret_id = any (select id from client_secrets where expires_at < now())',
    );
    secret = next;
  }
  expect((await kept(one)).filter(({ familyId }) => familyId === one.secretId).length).toBeLessThanOrEqual(3);
  expect(await statuses(one, secret)).toEqual([200]);
});

test('a stolen successor stays void when the one that was used instead has ended', async () => {
  const one = await service();
  const mine = await renewed(one);
  const stolen = await renewed(one);
  const next = await renewed(one, mine);
  expect(await statuses(one, next)).toEqual([200]);
  // Nothing is left of what came before but what was stolen, which was made later.
  const before = `(select cs.id from client_secrets cs join renewable_secrets r on r.client_secret_id = cs.id
                    where r.family_id = $1 order by cs.created_at limit 2)`;
  await server.sql.query(`update client_secrets set expires_at = now() - interval '1 second' where id in ${before}`, [
    one.secretId,
  ]);
  await server.sql.query(`update access_tokens set expires_at = now() where client_secret_id in ${before}`, [
    one.secretId,
  ]);
  const last = await renewed(one, next);
  expect(await statuses(one, last, stolen, last)).toEqual([200, 401, 401]);
});

test('a family grows to a limit within its ttl, and keeps an admin from making no other secret', async () => {
  const one = await service();
  const grow = (to: number) =>
    server.sql.query(
      `with cs as (
         insert into client_secrets (universal_auth_id, mac, prefix, ttl, num_uses, expires_at, mac_key_version)
         select universal_auth_id, sha256(convert_to(id || n::text, 'UTF8')), prefix, ttl, 1, expires_at, mac_key_version
           from client_secrets, generate_series(1, $2::int) n where id = $1 returning id)
       insert into renewable_secrets (client_secret_id, family_id, predecessor_id)
       select id, $1, gen_random_uuid() from cs`,
      [one.secretId, to],
    );
  await grow(998);
  expect((await make(one.id, {})).status).toBe(200);
  const next = await renewed(one);
  const { status, body } = await renew(one, next);
  expect([status, body.message]).toEqual([429, expect.stringContaining('1000 times')]);
  expect(await statuses(one, next)).toEqual([200]);
});
