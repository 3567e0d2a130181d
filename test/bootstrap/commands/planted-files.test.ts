import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { firstCallFile, readFirstCall } from '../../../bootstrap/first-run/state.ts';
import { adminFile, findReach, readAdminFile } from '../../../bootstrap/logins/reach.ts';
import { newClientSecret } from '../../../keys/index.ts';
import { canary } from '../../support/canary.ts';
import { runProgram } from '../support/run-program.ts';

/** A folder that somebody else has prepared: a cloned repository, or one that others can write. */
let folder: string;
let state: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-planted-'));
  state = join(folder, '.kms');
  await mkdir(state);
});
afterEach(() => rm(folder, { recursive: true }));

async function plant(file: string, content: object, mode: number): Promise<void> {
  await writeFile(file, JSON.stringify(content));
  await chmod(file, mode);
}

test('a value is not sent to the address of an admin.json that came with a checkout', async () => {
  const heard: string[] = [];
  const thief: Server = createServer((request, response) => {
    heard.push(request.url ?? '');
    request.resume().on('end', () => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(thief.address() as AddressInfo).port}`;
  await plant(adminFile(state), { url, email: 'z@hanzo.ai', token: 't' }, 0o644);
  const args = ['secrets', 'set', 'KEY', '-p', 'gateway', '-e', 'dev'];
  const { code, stderr } = await runProgram('bootstrap/kms.ts', args, { cwd: folder, stdin: canary });
  thief.close();
  expect(heard).toEqual([]);
  expect(stderr).toContain('mode 644), so it is not trusted');
  expect(code).toBe(1);
});

test('a first credential that others could have written is not used', async () => {
  const call = { url: 'http://kms', email: 'z@hanzo.ai', organization: 'H', organizationSlug: 'h' };
  await plant(firstCallFile(state), { ...call, credential: newClientSecret() }, 0o660);
  await expect(readFirstCall(state)).rejects.toThrow('mode 660), so it is not trusted');
});

test.runIf(process.geteuid?.() === 0)('nor is one of another user', async () => {
  await plant(adminFile(state), { url: 'http://127.0.0.1:1', email: 'z@hanzo.ai', token: 't' }, 0o600);
  await chown(adminFile(state), 4242, 4242);
  await expect(readAdminFile(state)).rejects.toThrow('owner 4242');
});

test.each(['http://kms.example', 'http://127.0.0.1.example:8080', 'http://127.0.0.1@kms.example', 'not a url'])(
  'the trial is on this machine, not at %s',
  async (url) => {
    await plant(adminFile(state), { url, email: 'z@hanzo.ai', token: 't' }, 0o600);
    await expect(findReach({}, state)).rejects.toThrow('is not what the local trial wrote');
  },
);
