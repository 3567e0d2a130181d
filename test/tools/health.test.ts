import { execFile } from 'node:child_process';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newAuthority } from '../support/certificates.ts';

const PROGRAM = join(import.meta.dirname, '../../tools/image/health.mjs');

const answering: RequestListener = (request, response) =>
  void response.writeHead(request.url === '/api/status' || request.url === '/readyz' ? 200 : 503).end();
const plain = () => createServer(answering);
const overTls = () => createTlsServer({ ...newAuthority().issue('kms.hanzo.ai'), minVersion: 'TLSv1.3' }, answering);

const run = (args: string[], environment: Record<string, string>) =>
  new Promise<{ code: number; stderr: string }>((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { env: environment }, (error, _, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stderr }),
    );
  });

test.each([
  { name: 'a server that is well', make: plain, args: [], expected: { code: 0, stderr: '' } },
  { name: 'one that speaks TLS itself', make: overTls, args: [], expected: { code: 0, stderr: '' } },
  { name: 'an operator that is ready', make: plain, args: ['/readyz'], expected: { code: 0, stderr: '' } },
  {
    name: 'one that is not',
    make: plain,
    args: ['/other'],
    expected: { code: 1, stderr: 'kms-health: /other answers 503\n' },
  },
])('kms-health judges $name', async ({ make, args, expected }) => {
  const server = make();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const tls: Record<string, string> = make === overTls ? { TLS_CERT_FILE: '/etc/kms/tls.crt' } : {};
  expect(await run(args, { PORT: String(port), ...tls })).toEqual(expected);
  await new Promise((resolve) => server.close(resolve));
  expect(await run(args, { PORT: String(port), ...tls })).toEqual({
    code: 1,
    stderr: `kms-health: port ${port} cannot be reached (ECONNREFUSED)\n`,
  });
});
