import { rmSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { killLeftovers, ServerProcess } from '../server/process/server-process.ts';
import { createDatabase } from '../support/database.ts';
import { Instance } from './support/instance.ts';
import { LateProxy } from './support/late-proxy.ts';
import { Random } from './support/seeds.ts';
import { NEWEST, OtherVersion, olderVersion } from './support/versions.ts';

const LATE_SECONDS = 0.5;
/** Far longer: this is about versions, and on a busy machine the proxy itself is late. */
const DRAIN = { KMS_DRAIN_SECONDS: '10' };
const OURS = undefined;
const folders: string[] = [];

afterEach(killLeftovers);
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function placed(version: OtherVersion): string {
  folders.push(version.folder);
  return version.main;
}

/** A replica of one version becomes one of another under load, and then an older one joins again. */
async function upgrade(title: string, before: string | undefined, after: string | undefined): Promise<void> {
  const database = await createDatabase({ empty: true });
  onTestFinished(() => database.drop());
  const instance = new Instance(() => database.uri);
  const random = new Random(title);
  const proxy = await LateProxy.start(LATE_SECONDS * 1000);
  onTestFinished(() => proxy.close());
  const add = async (main: string | undefined) => {
    const server = instance.replica(DRAIN, undefined, main);
    const address = await server.ready();
    if (instance.authorization === '') await instance.setUp(address);
    await proxy.add(address);
    return server;
  };
  const first = await add(before);
  const load = await instance.load(() => proxy.address, random, { pauseMs: 10 });
  await load.start();
  await load.served(random.between(20, 60));
  // Its start migrates the database under the other one.
  await add(after);
  await load.served(60);
  first.signal('SIGTERM');
  // Thought better of it: the older version starts on the newer one's database.
  await add(before);
  expect(await first.ended()).toMatchObject({ code: 0, signal: null });
  await load.served(60);
  await load.stop();
  load.expectOnly(200);
  await load.settle(database.uri);
}

test('this version and the next serve one database side by side', () =>
  upgrade('the next version', OURS, placed(OtherVersion.next(NEWEST))));

const older = olderVersion();
describe.skipIf(typeof older === 'string')(typeof older === 'string' ? older : 'history', () => {
  test('the oldest version that fits the database and this one serve it side by side', () => {
    const { commit } = older as { commit: string };
    console.info(`faults: side by side with ${commit}`);
    return upgrade('an older version', placed(OtherVersion.at(commit)), OURS);
  });
});

test('a database that left this version behind is refused in one line, and one in use goes on', async () => {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  const instance = new Instance(() => database.uri);
  const running = instance.replica();
  const address = await running.ready();
  await instance.setUp(address);
  const next = new ServerProcess(instance.environment(), ['migrate'], undefined, placed(OtherVersion.next(NEWEST + 1)));
  expect(await next.ended()).toMatchObject({ code: 0, output: 'migrated: of-the-next-version\n' });

  const { code, output } = await instance.replica().ended();
  expect({ code, output }).toEqual({
    code: 1,
    output:
      `kms-server: error: this server knows the database up to migration ${NEWEST}, and the database needs a server that ` +
      `knows ${NEWEST + 1}; start a newer version\n`,
  });
  // Nobody stopped it, and what it needs is there: whoever migrated decides when it ends.
  expect((await instance.send(address, 'GET', '/api/status')).status).toBe(200);
  running.signal('SIGTERM');
  expect(await running.ended()).toMatchObject({ code: 0 });
});
