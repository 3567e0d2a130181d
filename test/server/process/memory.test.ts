import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { killLeftovers, newSecrets, ServerProcess } from './server-process.ts';
import { setUp } from './set-up.ts';

let database: TestDatabase;
let folder: string;

beforeAll(async () => {
  database = await createDatabase();
  folder = await mkdtemp(join(tmpdir(), 'kms-heap-'));
});
afterEach(killLeftovers);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await database.drop();
});

// A heap snapshot collects the garbage first, and then holds every string that something still refers to (its first 1,024
// characters). What lies in Buffers is outside of it, so this says nothing of those.
test('no string of a value outlives its requests', async () => {
  const secrets = newSecrets();
  const value = randomBytes(24).toString('hex');
  const server = new ServerProcess(
    { ...secrets, DB_CONNECTION_URI: database.uri },
    [],
    ['--disable-sigusr1', '--heapsnapshot-signal=SIGUSR2', `--diagnostic-dir=${folder}`],
  );
  const address = await server.ready();
  const { authorization, list } = await setUp(address, secrets.AUTH_SECRET, value);
  for (const source of ['database', 'memory', 'memory']) {
    const response = await fetch(list, { headers: { authorization } });
    expect(await response.text(), source).toContain(value);
  }
  // Requests after it take the places of what a connection remembers of its last one.
  for (let n = 0; n < 3; n++) await (await fetch(`${address}/api/status`)).text();

  server.signal('SIGUSR2');
  const snapshot = await written();
  expect(snapshot.length).toBeGreaterThan(1_000_000);
  // The search works: what the server keeps, such as where its database is, is there.
  expect(snapshot.includes(database.name)).toBe(true);
  expect(snapshot.includes(value)).toBe(false);
  expect(snapshot.includes(authorization.slice('Bearer '.length))).toBe(false);
  server.signal('SIGTERM');
  expect(await server.ended()).toMatchObject({ code: 0 });
}, 90_000);

/** The snapshot, once it is complete. */
async function written(): Promise<string> {
  let text = '';
  await expect
    .poll(
      async () => {
        const [name] = (await readdir(folder)).filter((file) => file.endsWith('.heapsnapshot'));
        if (name !== undefined) text = await readFile(join(folder, name), 'utf8');
        return text.trimEnd().endsWith(']}');
      },
      { timeout: 60_000, interval: 200 },
    )
    .toBe(true);
  return text;
}
