import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { canary } from '../../support/canary.ts';
import { newAuthority } from '../../support/certificates.ts';
import { hasRsyslog, Rsyslog } from '../../support/rsyslog.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { thorough } from '../../support/thorough.ts';

let server: TestServer;
let receiver: Server;
let url: string;
let member: Machine;
let stranger: Machine;
let received: { headers: Record<string, unknown>; body: string }[] = [];
let answer: () => number = () => 200;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const status = answer();
      if (status === 200) received.push({ headers: request.headers, body });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/audit`;
  server = await startServer({ outboundAllow: ['http://127.0.0.1'], sealEveryMs: 100 });
  member = await server.machine('member');
  const other = await server.organization('others');
  stranger = await server.machine('stranger', { organizationId: other.id, role: 'admin' });
});
afterAll(async () => {
  await server?.close();
  receiver?.closeAllConnections();
  receiver?.close();
});
beforeEach(async () => {
  const { auditLogStreams } = await server.do('GET', `${BASE}?organizationId=${server.organizationId}`);
  for (const { id } of auditLogStreams) await server.do('DELETE', `${BASE}/${id}`);
  received = [];
  answer = () => 200;
});

const BASE = '/api/v1/audit-log-streams';
const create = async (more: object = {}) =>
  (await server.do('POST', BASE, { body: { url, organizationId: server.organizationId, ...more } })).auditLogStream;
const ids = () => received.flatMap(({ body }) => JSON.parse(body).auditLogs.map(({ id }: { id: string }) => id));

/** What the organization's audit has since a moment, in the order of its transactions. */
async function written(since: string): Promise<string[]> {
  const { rows } = await server.sql.query(
    'select id from audit_log where organization_id = $1 and at > $2 order by xid, id',
    [server.organizationId, since],
  );
  return rows.map(({ id }) => id);
}
const now = async () => (await server.sql.query('select clock_timestamp()::text as now')).rows[0].now;

test('records arrive signed, in order, each one', async () => {
  const made = await create({ headers: [{ key: 'Authorization', value: `Bearer ${canary}` }] });
  const since = await now();
  for (let n = 0; n < 30; n++)
    await server.do('POST', '/api/v1/projects', {
      body: { projectName: `p${n}`, organizationId: server.organizationId },
    });
  await expect.poll(ids, { timeout: 20_000 }).toEqual(expect.arrayContaining(await written(since)));
  expect(ids().filter((id: string) => new Set(ids()).has(id)).length).toBe(new Set(ids()).size);
  for (const { headers, body } of received) {
    expect(headers.authorization).toBe(`Bearer ${canary}`);
    const [, time, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['x-kms-signature']))!;
    expect(signature).toBe(createHmac('sha256', made.signingSecret).update(`${time}.${body}`).digest('hex'));
  }
});

thorough('what could not be sent is sent later, and nothing is left out', async () => {
  const { id } = await create();
  const since = await now();
  answer = () => 500;
  await server.project('while-down');
  await expect
    .poll(async () => (await server.do('GET', `${BASE}/${id}`)).auditLogStream.failures, { timeout: 20_000 })
    .toBeGreaterThan(1);
  expect((await server.do('GET', `${BASE}/${id}`)).auditLogStream.lastError).toBe(
    'the receiver answered with status 500',
  );
  answer = () => 200;
  const expected = await written(since);
  await expect.poll(ids, { timeout: 30_000 }).toEqual(expect.arrayContaining(expected));
});

test('many records of one transaction are sent page by page', async () => {
  await create();
  const { rows } = await server.sql.query(
    `insert into audit_log (organization_id, action, event, outcome, actor_kind, request_id)
     select $1, 'read', 'bulk', 'allowed', 'identity', 'test' from generate_series(1, 1203) returning id`,
    [server.organizationId],
  );
  const bulk = () => ids().filter((id: string) => rows.some((row) => row.id === id));
  await expect.poll(() => bulk().length, { timeout: 20_000 }).toBe(1203);
  expect(new Set(bulk()).size).toBe(1203);
  expect(received.length).toBeGreaterThan(2);
});

test.each(['Host', 'content-length', 'Transfer-Encoding', 'connection', 'Expect', 'X-KMS-Signature'])(
  "the header %s is nobody else's to set",
  async (key) => {
    const body = { url, organizationId: server.organizationId, headers: [{ key, value: '5' }] };
    const { status, text } = await server.send('POST', BASE, { body, token: server.admin });
    expect(status, text).toBe(422);
    expect(text).toContain('set by the server itself');
  },
);

test('headers are shown by name alone, and do not follow to another host', async () => {
  const { id } = await create({ headers: [{ key: 'x-key', value: canary }] });
  const { auditLogStream } = await server.do('GET', `${BASE}/${id}`);
  expect(auditLogStream).toMatchObject({ url, headers: [{ key: 'x-key' }], orgId: server.organizationId });
  expect(auditLogStream.signingSecret).toBeUndefined();
  const moved = await server.do('PATCH', `${BASE}/${id}`, { body: { url: 'https://elsewhere.example/audit' } });
  expect(moved.auditLogStream).toMatchObject({ url: 'https://elsewhere.example/audit', headers: [] });
  const { rows } = await server.sql.query('select sealed_secrets from audit_streams');
  for (const row of rows) expect(row.sealed_secrets.toString('latin1')).not.toContain(canary);
});

test.each([
  'http://10.0.0.1/',
  'https://169.254.169.254/latest',
  'ftp://example.com',
  'nonsense',
  'https://user:pw@example.com',
])('a stream to %s is refused', async (wrong) => {
  const { status, body } = await server.send('POST', BASE, {
    token: server.admin,
    body: { url: wrong, organizationId: server.organizationId },
  });
  expect([status, body.message[0].path]).toEqual([422, ['url']]);
});

test('only admins of the organization decide where its audit goes', async () => {
  const { id } = await create();
  const body = { url, organizationId: server.organizationId };
  for (const [method, path, given] of [
    ['POST', BASE, body],
    ['GET', `${BASE}?organizationId=${server.organizationId}`, undefined],
    ['GET', `${BASE}/${id}`, undefined],
    ['PATCH', `${BASE}/${id}`, { url }],
    ['DELETE', `${BASE}/${id}`, undefined],
  ] as const) {
    const as = async (token?: string) => (await server.send(method, path, { token, body: given })).status;
    expect([await as(), await as(member.token), await as(stranger.token)]).toEqual([401, 403, 404]);
  }
});

/** A receiver of syslog: keeps what arrives, and closes behind the end. */
async function syslogReceiver(secure?: { cert: string; key: string }) {
  const pieces: Buffer[] = [];
  const take = (socket: Socket) => socket.on('data', (piece) => pieces.push(piece)).on('error', () => undefined);
  const listening = secure ? createTlsServer(secure, take) : createTcpServer(take);
  await new Promise<void>((done) => listening.listen(0, '127.0.0.1', () => done()));
  const { port } = listening.address() as AddressInfo;
  /** Messages, out of their frames. */
  const messages = () => {
    let rest = Buffer.concat(pieces);
    const found: string[] = [];
    while (rest.length > 0) {
      const space = rest.indexOf(' ');
      const length = Number(rest.subarray(0, space));
      found.push(rest.subarray(space + 1, space + 1 + length).toString());
      rest = rest.subarray(space + 1 + length);
    }
    return found;
  };
  return { port, messages, stop: () => listening.close() };
}

test('syslog gets each record as a message of RFC 5424', async () => {
  const syslog = await syslogReceiver();
  const since = await now();
  await create({ url: `syslog://127.0.0.1:${syslog.port}` });
  await server.project('over-syslog');
  await server.send('POST', BASE, { token: member.token, body: { url, organizationId: server.organizationId } });
  const expected = (await written(since)).slice(1);
  const sent = () => syslog.messages().map((message) => JSON.parse(message.slice(message.indexOf('{'))).id);
  await expect.poll(sent, { timeout: 20_000 }).toEqual(expect.arrayContaining(expected));
  for (const message of syslog.messages()) {
    expect(message).toMatch(
      /^<(110|108)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [!-~]+ hanzo-kms - [!-~]{1,32} - \{".*\}$/,
    );
  }
  expect(syslog.messages().some((message) => message.startsWith('<108>'))).toBe(true);
  syslog.stop();
});

test('a syslog receiver with a certificate of a known authority gets each record over TLS', async () => {
  const authority = newAuthority();
  const known = getCACertificates('default');
  // As NODE_EXTRA_CA_CERTS does when a server starts.
  setDefaultCACertificates([...known, authority.cert]);
  const syslog = await syslogReceiver(authority.issue('localhost', '127.0.0.1'));
  // Known, and of another name: it may be anybody's who got a certificate there.
  const wrong = await syslogReceiver(authority.issue('receiver.example'));
  try {
    const since = await now();
    await create({ url: `syslogs://127.0.0.1:${syslog.port}` });
    const { id } = await create({ url: `syslogs://127.0.0.1:${wrong.port}` });
    await server.project('over-good-tls');
    const expected = (await written(since)).slice(2);
    expect(expected.length).toBeGreaterThan(0);
    const sent = () => syslog.messages().map((message) => JSON.parse(message.slice(message.indexOf('{'))).id);
    await expect.poll(sent, { timeout: 20_000 }).toEqual(expect.arrayContaining(expected));
    await expect
      .poll(async () => (await server.do('GET', `${BASE}/${id}`)).auditLogStream.lastError, { timeout: 20_000 })
      .toContain('certificate');
    expect(wrong.messages()).toEqual([]);
  } finally {
    setDefaultCACertificates(known);
    syslog.stop();
    wrong.stop();
  }
});

test.skipIf(!hasRsyslog).each([
  ['TCP', false],
  ['TLS', true],
])('rsyslog understands each record over %s', async (_over, secure) => {
  const authority = newAuthority();
  const known = getCACertificates('default');
  setDefaultCACertificates([...known, authority.cert]);
  const daemon = await Rsyslog.start(secure ? { ca: authority.cert, ...authority.issue('127.0.0.1') } : undefined);
  try {
    await create({ url: `${secure ? 'syslogs' : 'syslog'}://127.0.0.1:${daemon.port}` });
    const since = await now();
    await server.project(`to-rsyslog-${secure}`);
    // A record of more than one read of the daemon, and of more than ASCII.
    const name = `Schlüssel\n<13>1 - - - - ${'x'.repeat(8000)}`;
    await server.send('POST', BASE, { token: member.token, body: { url, organizationId: server.organizationId } });
    await server.sql.query(
      `insert into audit_log (organization_id, action, event, outcome, actor_kind, actor_name, request_id)
       values ($1, 'read', 'long', 'allowed', 'identity', $2, 'test')`,
      [server.organizationId, name],
    );
    const expected = await written(since);
    const records = async () => (await daemon.messages()).map(({ text }) => JSON.parse(text));
    await expect
      .poll(async () => (await records()).map(({ id }) => id), { timeout: 20_000 })
      .toEqual(expect.arrayContaining(expected));
    const [messages, read] = [await daemon.messages(), await records()];
    for (const [n, message] of messages.entries()) {
      const refused = read[n].outcome === 'refused';
      expect(message).toMatchObject({
        ...{ facility: 'audit', severity: refused ? 'warning' : 'info', version: '1', at: read[n].createdAt },
        ...{ host: hostname(), app: 'hanzo-kms', id: read[n].event.type },
      });
    }
    expect(messages.some(({ severity }) => severity === 'warning')).toBe(true);
    expect(read.map(({ actor }) => actor.metadata?.name ?? actor.name)).toContain(name);
  } finally {
    setDefaultCACertificates(known);
    await daemon.stop();
  }
});

test('a syslog receiver with a certificate of nobody known gets nothing', async () => {
  const syslog = await syslogReceiver(newAuthority().issue('localhost', '127.0.0.1'));
  const { id } = await create({ url: `syslogs://127.0.0.1:${syslog.port}` });
  await server.project('over-bad-tls');
  await expect
    .poll(async () => (await server.do('GET', `${BASE}/${id}`)).auditLogStream.lastError, { timeout: 20_000 })
    .toContain('certificate');
  expect(syslog.messages()).toEqual([]);
  syslog.stop();
});

test.each<{ name: string; body: object }>([
  { name: 'a private address', body: { url: 'syslogs://10.0.0.1:6514' } },
  { name: 'a private address in octal', body: { url: 'syslogs://012.0.0.1:6514' } },
  { name: 'an address without TLS that is not allowed so', body: { url: 'syslog://192.0.2.1:601' } },
  { name: 'the metadata of a cloud', body: { url: 'syslogs://169.254.169.254:80' } },
  { name: 'no port', body: { url: 'syslogs://receiver.example' } },
  { name: 'a user name', body: { url: 'syslogs://a:b@receiver.example:6514' } },
  { name: 'headers', body: { url: 'syslogs://receiver.example:6514', headers: [{ key: 'a', value: 'b' }] } },
])('syslog with $name is refused', async ({ body }) => {
  const full = { organizationId: server.organizationId, ...body };
  expect((await server.send('POST', BASE, { token: server.admin, body: full })).status).toBe(422);
});
