import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Connections } from '../../operator/kms/connections.ts';
import { EventRecorder } from '../../operator/kubernetes/event-recorder.ts';
import { plainText } from '../../operator/plain-text.ts';
import { Login } from '../../operator/sync/login.ts';
import { reportOf } from '../../operator/sync/report.ts';
import { Kms, KmsUnreachable } from '../../sdk/index.ts';
import { readEvents } from '../../sdk/sse.ts';

/** A KMSSecret names its KMS, so that any server may answer: whatever it says, it is told so, and the operator lives. */

const servers: Server[] = [];
const open: Connections[] = [];
afterEach(async () => {
  for (const connections of open.splice(0)) connections.close();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function hostile(answer: RequestListener): Promise<Kms> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connections = new Connections(url, undefined);
  open.push(connections);
  return new Kms({ url, credentials: { token: 'token' }, fetch: connections.fetch, retries: 0 });
}

const at = { projectSlug: 'gateway', environment: 'prod' };
const MIB = 1024 * 1024;

test.each([
  ['is longer than any that is used', `{"secrets":[],"imports":[],"more":"${'a'.repeat(5 * MIB)}"}`, 'longer than'],
  ['has more parts than any Secret has keys', `{"imports":[],"secrets":[${'{},'.repeat(1_000_000)}{}]}`, 'parts'],
  ['has more numbers than that', `{"imports":[],"secrets":[${'1,'.repeat(1_000_000)}1]}`, 'parts'],
  ['has an object for each of its letters', `{"secrets":${'{"a":'.repeat(1000)}`, 'deeper'],
  ['is deeper than any', '['.repeat(2 * MIB), 'deeper'],
])('an answer that %s is refused before it is read', async (_what, body, reason) => {
  const kms = await hostile((_request, response) => response.end(body));
  await expect(kms.secrets.look(at)).rejects.toThrow(reason);
});

test('an answer with as many keys as a Secret holds is read, whatever its values look like', async () => {
  const id = '0190b0a0-0000-7000-8000-000000000000';
  const secret = (n: number) => ({
    ...{ id, _id: id, workspace: id, environment: 'prod', version: 1, type: 'shared', secretPath: '/' },
    ...{ secretKey: `K${n}`, secretValue: '{"a":["\\\\",\\"{[,', secretComment: '', secretValueHidden: false },
  });
  const body = JSON.stringify({ secrets: Array.from({ length: 5000 }, (_, n) => secret(n)), imports: [] });
  const kms = await hostile((_request, response) => response.end(body));
  expect((await kms.secrets.look(at))?.secrets).toHaveLength(5000);
});

test('answers that stop in the middle take no more memory than there is for all of them', async () => {
  const kms = await hostile((_request, response) => {
    response.write(`{"more":"${'a'.repeat(4 * MIB - 100)}`);
  });
  const stop = new AbortController();
  const looks = Array.from({ length: 32 }, () => kms.secrets.look(at, { signal: stop.signal }));
  const first = await Promise.race(looks.map((look) => look.catch((error: unknown) => error)));
  expect(String(first)).toContain('too much is under way');
  stop.abort();
  await Promise.allSettled(looks);
  const well = await hostile((_request, response) =>
    response.end(`{"secrets":[],"imports":[],"more":"${'a'.repeat(3 * MIB)}"}`),
  );
  await expect(well.secrets.look(at)).resolves.toMatchObject({ secrets: [] });
});

test.each(['x'.repeat(65), 'a\nb', ''])('an answer of a folder whose id is %j is none', async (id) => {
  const folder = { id, projectId: 'p', changeId: 'c' };
  const kms = await hostile((_request, response) => response.end(JSON.stringify({ secrets: [], imports: [], folder })));
  await expect(kms.secrets.look(at)).rejects.toThrow('folder.id: expected an id');
});

test('"as you know" to somebody who knows nothing is no answer', async () => {
  const kms = await hostile((_request, response) => response.writeHead(304, { etag: '"a"' }).end());
  await expect(kms.secrets.look(at)).rejects.toThrow(/304, though no copy was named/);
});

test('a stream that talks without end is listened to slowly', async () => {
  let sent = 0;
  const kms = await hostile((_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write(': \n\n'.repeat(4096))) sent += 4 * 4096;
      sent += 4 * 4096;
    };
    response.writeHead(200).on('drain', more);
    more();
  });
  const stop = new AbortController();
  const heard = kms.events.subscribe({ projectId: 'p', signal: stop.signal }).next();
  // Kept back by nobody but us: what waits in the sockets is some megabytes.
  await expect.poll(() => sent).toBeGreaterThan(MIB);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = sent;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(sent - before).toBeLessThan(MIB);
  stop.abort();
  await heard.catch(() => undefined);
});

test('a stream that wants to be opened again at once is not', async () => {
  let opened = 0;
  const kms = await hostile((_request, response) => {
    opened++;
    response.writeHead(200).end('retry: 0\n\n');
  });
  const stop = new AbortController();
  const heard = kms.events.subscribe({ projectId: 'p', signal: stop.signal }).next();
  await expect.poll(() => opened).toBe(2);
  expect(opened).toBe(2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(opened).toBe(2);
  stop.abort();
  await heard.catch(() => undefined);
});

test.each([
  ['is long', 'x'.repeat(10_000)],
  ['is more than a name', 'a\n[31mb'],
])('the name of an identity that %s is none', async (_what, identityId) => {
  const claims = Buffer.from(JSON.stringify({ identityId })).toString('base64url');
  const kms = new Kms({ url: 'http://kms', credentials: { token: `a.${claims}.b` } });
  expect(kms.identityId).toBeUndefined();
});

async function* bytesOf(text: string, size: number) {
  for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
}

async function allOf(bytes: AsyncIterable<Uint8Array>) {
  const events = [];
  for await (const event of readEvents(bytes)) events.push(event);
  return events;
}

test.each([1, 2, 3, 7, 1000])(
  'events are the same in pieces of %i bytes, and whichever way lines end',
  async (size) => {
    const text = 'id: 1\r\ndata: a\r\ndata: b\r\n\r\n: ping\n\nid: 2\rdata: c\r\r\n\n\ndata: d\n\n';
    const events = await allOf(bytesOf(text, size));
    expect(events).toEqual([{ id: '1', data: 'a\nb' }, {}, { id: '2', data: 'c' }, { data: 'd' }]);
  },
);

test('a line that never ends is given up, however small its pieces', async () => {
  const line = bytesOf('x'.repeat(2 * MIB), 1);
  await expect(allOf(line)).rejects.toThrow(/longer than 1 MiB/);
});

const where = { hostAPI: 'http://kms', credentials: 'a/b', folder: 'gateway prod:/', hasContent: false };

test('what a server says is told without what moves a cursor, and at no length', () => {
  const said = `\u001b[2J\u202egone\n  Normal  Synced  all is well${'!'.repeat(100_000)}`;
  const { message } = reportOf(new KmsUnreachable(said), where);
  expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  expect(message.length).toBeLessThan(1000);
  expect(message).toMatch(/Nothing was written yet\.$/);
});

test('what nobody foresaw is told by its kind alone, and not passed over', () => {
  expect(reportOf(new RangeError('at planted-value'), where)).toMatchObject({
    reason: 'KmsFailing',
    message: 'the operator failed with a RangeError. Nothing was written yet.',
  });
});

test.each([
  ['short', 'short'],
  ['a\u0000b\r\nc', 'a b c'],
  ['\u{1f512}'.repeat(20), `${'\u{1f512}'.repeat(4)}…`],
])('%j is told as %j', (text, told) => {
  expect(plainText(text, 10)).toBe(told);
});

test('long words of a server are told in short, and remembered shorter', async () => {
  const lengths: number[] = [];
  const api = { create: async (_of: unknown, _in: unknown, { note }: { note: string }) => lengths.push(note.length) };
  const events = new EventRecorder({ ...api, now: () => new Date() } as never, 'one', () => undefined);
  const about = { apiVersion: 'v1', kind: 'KMSSecret', metadata: { name: 'a', namespace: 'b', uid: 'u' } };
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 2000; n++)
    await events.record(about, {
      type: 'Warning',
      reason: 'KmsFailing',
      action: 'Sync',
      note: `${n}${'x'.repeat(100_000)}`,
    });
  expect(Math.max(...lengths)).toBe(1024);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * MIB);
});

test.each([
  ['is none', '-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n', 'cannot be read'],
  ['is torn', '-----BEGIN CERTIFICATE-----\nMIIB', 'cannot be read'],
  ['is very long', '-----BEGIN CERTIFICATE-----\n'.repeat(10_000), 'is longer than'],
])('a certificate that %s is named as missing', async (_what, pem, message) => {
  const secret = { metadata: { name: 'ca' }, data: { 'ca.crt': Buffer.from(pem).toString('base64') } };
  const login = new Login({ api: { get: async () => secret } } as never);
  const tls = { caRef: { secretName: 'ca', secretNamespace: 'evil', key: 'ca.crt' } };
  await expect(login.certificate({ tls } as never)).rejects.toMatchObject({
    reason: 'CertificateMissing',
    message: expect.stringContaining(message),
  });
});
