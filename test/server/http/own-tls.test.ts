import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { limitConnections } from '../../../server/http/connections.ts';
import { RequestIds } from '../../../server/http/request-ids.ts';
import { newServer } from '../../../server/http/server.ts';
import { type Certificate, newAuthority } from '../../support/certificates.ts';

/** TLS in the server itself: 1.3 only, and renewed while it serves. */

const authority = newAuthority();
const folder = mkdtempSync(join(tmpdir(), 'kms-own-tls-'));
const files = { certFile: join(folder, 'tls.crt'), keyFile: join(folder, 'tls.key'), lookEveryMs: 20 };
afterAll(() => rmSync(folder, { recursive: true }));

function write({ cert, key }: Partial<Certificate>): void {
  if (cert) writeFileSync(files.certFile, cert);
  if (key) writeFileSync(files.keyFile, key, { mode: 0o600 });
}

const made = () => newServer({ tls: files, logLevel: 'info', logStream }, new RequestIds(undefined));
let app: ReturnType<typeof made>;
let lines: string[];
const dialed: TLSSocket[] = [];
const logStream = { write: (line: string) => void lines.push(line) };

beforeEach(async () => {
  lines = [];
  write(authority.issue('localhost', '127.0.0.1'));
  app = made();
  limitConnections(app, { perAddress: 10 }, undefined);
  app.get('/', async () => ({ alive: true }));
  await app.listen({ host: '127.0.0.1', port: 0 });
});
afterEach(async () => {
  for (const socket of dialed.splice(0)) socket.destroy();
  await app.close();
});

const address = () => {
  const { port } = app.server.address() as { port: number };
  return { host: '127.0.0.1', port };
};

function dial(options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...address(), ca: authority.cert, servername: 'localhost', ...options });
    dialed.push(socket);
    socket.once('secureConnect', () => resolve(socket)).once('error', reject);
  });
}

const ask = (socket: TLSSocket) =>
  new Promise<string>((resolve) => {
    socket.once('data', (data) => resolve(String(data)));
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  });

test('it speaks TLS 1.3, and answers', async () => {
  const socket = await dial();
  expect(socket.getProtocol()).toBe('TLSv1.3');
  expect(await ask(socket)).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*\{"alive":true\}$/);
});

test.each(['TLSv1.2', 'TLSv1.1'] as const)('%s is not spoken', async (version) => {
  const older = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' };
  await expect(dial(older)).rejects.toMatchObject({ code: expect.stringMatching(/^(ERR_SSL_|ECONNRESET)/) });
});

test('plain HTTP is not spoken either', async () => {
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connectPlain(address(), () => socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'));
    socket.on('data', (data) => (text += data)).on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
  expect(answer).not.toContain('HTTP/1.1');
});

test('a renewed certificate is taken, and what is open stays', async () => {
  const before = await dial();
  const { serialNumber } = before.getPeerCertificate();
  write(authority.issue('localhost', '127.0.0.1'));
  await vi.waitFor(async () => expect((await dial()).getPeerCertificate().serialNumber).not.toBe(serialNumber));
  expect(await ask(before)).toContain('{"alive":true}');
  expect(lines.join('')).toContain('the renewed certificate is in use');
});

test.each<[string, Partial<Certificate>]>([
  ['half of a pair', { cert: authority.issue('localhost').cert }],
  ['what is no certificate', { cert: 'none' }],
])('with %s the one before stays in use, and that is told once', async (_, wrong) => {
  const { serialNumber } = (await dial()).getPeerCertificate();
  write(wrong);
  await vi.waitFor(() => expect(lines.join('')).toContain('cannot be used'));
  for (let look = 0; look < 3; look++) expect((await dial()).getPeerCertificate().serialNumber).toBe(serialNumber);
  expect(lines.filter((line) => line.includes('cannot be used'))).toHaveLength(1);
});

test('it does not start with a key of another certificate', () => {
  write({ key: authority.issue('localhost').key });
  expect(made).toThrow(/key values mismatch/);
});
