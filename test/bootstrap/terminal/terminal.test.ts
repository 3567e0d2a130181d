import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { print, printJson, say, type Terminal } from '../../../bootstrap/terminal/terminal.ts';
import { runProgram } from '../support/run-program.ts';

/** A server that answers what somebody would who wants to hurt the person at the terminal. */
let hostile: Server;
let url: string;
const EVIL = '\u001b]52;c;ZXZpbA==\u0007\u001b[2K\r\u009b1A\u202eevil';
const ESCAPED = '\\u001b]52;c;ZXZpbA==\\u0007\\u001b[2K\\u000d\\u009b1A\\u202eevil';

beforeAll(async () => {
  hostile = createServer((request, response) => {
    const body = { reqId: 'req-1', statusCode: 403, error: 'PermissionDenied', message: EVIL };
    request.resume().on('end', () => response.writeHead(403).end(JSON.stringify(body)));
  }).listen(0, '127.0.0.1');
  await once(hostile, 'listening');
  url = `http://127.0.0.1:${(hostile.address() as AddressInfo).port}`;
});
afterAll(() => hostile.close());

function recorder(): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  return { terminal: { program: 'kms', stdout: stream, stderr: stream, stdin: process.stdin }, written };
}

const LIST = ['secrets', 'list', '-p', 'gateway', '-e', 'dev'];

test('what a server says cannot command the terminal', async () => {
  const env = { KMS_URL: url, KMS_TOKEN: 't' };
  const { code, stderr } = await runProgram('bootstrap/kms.ts', LIST, { cwd: '/', env });
  expect(stderr).toContain(ESCAPED);
  expect(code).toBe(1);
});

test('colours, tabs and line ends of our own pass', () => {
  const { terminal, written } = recorder();
  const line = '\u001b[1;31merror:\u001b[0m a\n\tb';
  print(terminal, line);
  say(terminal, line);
  expect(written).toEqual([`${line}\n`, `${line}\n`]);
});

test('JSON keeps its meaning', () => {
  const { terminal, written } = recorder();
  printJson(terminal, { name: EVIL });
  expect(written.join('')).not.toContain('\u009b');
  expect(JSON.parse(written.join(''))).toEqual({ name: EVIL });
});

test('a reader that leaves early does not turn an error into success', async () => {
  const program = fileURLToPath(new URL('../../../bootstrap/kms.ts', import.meta.url));
  const env = { PATH: process.env.PATH, KMS_URL: url, KMS_TOKEN: 't' };
  const child = spawn(process.execPath, [program, ...LIST, '--json'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout.destroy();
  const [code] = await once(child, 'exit');
  expect(code).toBe(1);
});

test('bytes that are no text are not stored as others', async () => {
  const env = { KMS_URL: url, KMS_TOKEN: 't' };
  const args = ['secrets', 'set', 'TLS_KEY', '-p', 'gateway', '-e', 'dev'];
  const { code, stderr } = await runProgram('bootstrap/kms.ts', args, {
    cwd: '/',
    env,
    stdin: Buffer.from([0x30, 0x82, 0xff, 0xfe]),
  });
  expect(stderr).toContain('standard input is not UTF-8 text');
  expect(code).toBe(1);
});
