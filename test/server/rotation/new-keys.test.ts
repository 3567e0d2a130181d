import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRootKey } from '../../../keys/index.ts';
import { verifyAudit } from '../../../server/audit/verify/verify.ts';
import { auditUnderWay, EVERY_KEY, openUnder, replaceInstanceKeys } from '../../../server/rotation/instance.ts';
import { rotateLeaked } from '../../../server/rotation/leaked.ts';
import { beginRoot } from '../../../server/rotation/root.ts';
import { invitePerson } from '../../support/person.ts';
import { thorough } from '../../support/thorough.ts';
import { killLeftovers, ServerProcess } from '../process/server-process.ts';
import { newKey, Rig } from './rig.ts';

/** The keys of an instance while they are being replaced. */

let rig: Rig;
const next = newKey();
const versions = async () =>
  (await rig.server.sql.query(`select purpose || ' ' || version as key from instance_keys order by 1`)).rows.map(
    ({ key }) => key,
  );
const keys = () => ({ root: parseRootKey(next), previous: parseRootKey(rig.server.secrets.rootKey) });

beforeAll(async () => {
  rig = await Rig.start({ people: false });
});
afterAll(() => rig.close());
afterAll(killLeftovers);

test('a replica that has not heard of a new key looks before it refuses a client secret, or a session', async () => {
  // They look once a minute, and the sealer, which looks too, is off.
  const deaf = await rig.replica({ sealEveryMs: 0, replicas: { name: 'deaf', everyMs: 60_000 } });
  const deafToo = await rig.replica({ sealEveryMs: 0, replicas: { name: 'deaf too', everyMs: 60_000 } });
  const ada = await invitePerson(rig.server, 'ada@hanzo.ai');
  const before = await rig.server.machine('before');
  const on = await rig.rotation();
  await replaceInstanceKeys(on, EVERY_KEY, () => false);
  const login = (payload: object) =>
    deaf
      .inject({ method: 'POST', url: '/api/v1/auth/universal-auth/login', payload })
      .then(({ statusCode }) => statusCode);
  const mac = async (id: string) =>
    (await rig.server.sql.query('select mac_key_version as v from client_secrets where id = $1', [id])).rows[0].v;
  await expect
    .poll(async () => {
      const made = await rig.server.machine('made by one that has heard');
      return [
        await mac(made.clientSecretId),
        await login({ clientId: made.clientId, clientSecret: made.clientSecret }),
      ];
    })
    .toEqual([2, 200]);
  await ada.enter();
  const headers = { cookie: `jid=${ada.cookie('jid')}` };
  expect((await deafToo.inject({ method: 'POST', url: '/api/v1/auth/token', headers })).statusCode).toBe(200);
  const { clientId, clientSecret } = before;
  expect([await login({ clientId, clientSecret }), await mac(before.clientSecretId)]).toEqual([200, 2]);
  await Promise.all([deaf.close(), deafToo.close()]);
});

test('a rotation whose keys were made before it was killed goes on with them', async () => {
  const { server } = rig;
  const before = await versions();
  await server.app.close();
  const both = { rootKey: parseRootKey(next), previousRootKey: parseRootKey(server.secrets.rootKey) };
  Object.assign(server, { app: await rig.replica({ ...both, replicas: { name: 'one' } }) });
  const killed = await rig.rotation(next, server.secrets.rootKey);
  await beginRoot(killed, keys());
  await replaceInstanceKeys(killed, EVERY_KEY, openUnder(keys().root, killed.keyring.instanceId));
  expect(await versions()).toEqual([...before, 'audit-signing 3', 'client-secret-mac 3', 'config 3'].sort());
  const on = await rig.rotation(next, server.secrets.rootKey);
  const torn = {
    ...on,
    say: (line: string) => (line.includes('vouched for anew') ? expect.unreachable('killed') : undefined),
  };
  await expect(rotateLeaked(torn, keys())).rejects.toThrow('killed');
  const again = await rig.rotation(next, server.secrets.rootKey);
  await rotateLeaked(again, keys());
  const left = [
    'audit-signing 3',
    'client-secret-mac 3',
    'client-secret-mac-former 1',
    'client-secret-mac-former 2',
    'config 3',
  ];
  // Of those before, only what a client secret was made with stays.
  expect(left).toEqual(expect.arrayContaining(await versions()));
  expect(await versions()).toEqual(expect.arrayContaining(['audit-signing 3', 'client-secret-mac 3', 'config 3']));
  expect((await server.sql.query('select version from project_keys')).rows).toEqual([{ version: 2 }]);
  const { findings } = await verifyAudit({ db: rig.db, keyring: (await rig.rotation(next)).keyring, sinks: [] });
  expect(findings).toEqual([]);
  expect(await rig.values()).toMatchObject({ A: 'second', OTHER: 'other' });
});

test('one that was run after its root had moved replaces every key as well', async () => {
  const on = await rig.rotation(next, rig.server.secrets.rootKey);
  await rotateLeaked(on, keys());
  expect(rig.said.join('\n')).toContain('whoever wrote the database since could put the old ones back');
  expect(await versions()).toEqual(expect.arrayContaining(['audit-signing 4', 'client-secret-mac 4', 'config 4']));
  const { findings } = await verifyAudit({ db: rig.db, keyring: (await rig.rotation(next)).keyring, sinks: [] });
  expect(findings).toEqual([]);
  expect(auditUnderWay({ purpose: 'config' } as never, [])).toBe(false);
});

thorough('the command does all of it, and says what is left', async () => {
  const { server } = rig;
  const environment = {
    ROOT_ENCRYPTION_KEY: newKey(),
    ROOT_ENCRYPTION_KEY_PREVIOUS: next,
    AUTH_SECRET: server.secrets.authSecret,
    DB_CONNECTION_URI: server.database.uri,
  };
  const run = (...args: string[]) => new ServerProcess(environment, ['keys', ...args]).ended();
  const refused = await run('rotate-root', '--leaked');
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('does not hold both root keys')]);
  await server.app.close();
  const leaked = await run('rotate-root', '--leaked');
  expect(leaked.output).toContain('of its key, and version');
  expect([leaked.code, leaked.output]).toEqual([0, expect.stringMatching(/0 under the former, 0 open under neither/)]);
  expect((await run('status')).output).toMatch(/\d+ client secrets are known by version \d of their key/);
  expect((await run('retire', '--end')).output).toContain('is retired');
  expect((await new ServerProcess(environment, ['audit', 'verify']).ended()).code).toBe(0);
});
