import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseAuthSecret, parseRootKey, rootFingerprint } from '../../../keys/index.ts';
import { verifyAudit } from '../../../server/audit/verify/verify.ts';
import { WrongRootKey } from '../../../server/keyring/roots.ts';
import { rotateConfig } from '../../../server/rotation/config.ts';
import { rotateProject } from '../../../server/rotation/project.ts';
import { rotateRoot } from '../../../server/rotation/root.ts';
import { RotationStopped } from '../../../server/rotation/rotation.ts';
import { keysStatus, tell } from '../../../server/rotation/status.ts';
import { countRows, findProjects } from '../../../server/rotation/store.ts';
import { thorough } from '../../support/thorough.ts';
import { killLeftovers, ServerProcess } from '../process/server-process.ts';
import { load, newKey, Rig } from './rig.ts';

let rig: Rig;
beforeEach(async () => {
  rig = await Rig.start();
});
afterEach(() => rig.close());
afterAll(killLeftovers);

describe('the root key', () => {
  let next: string;
  beforeEach(() => {
    next = newKey();
  });
  const keys = () => ({ root: parseRootKey(next), previous: parseRootKey(rig.server.secrets.rootKey) });
  const both = () => ({ rootKey: parseRootKey(next), previousRootKey: parseRootKey(rig.server.secrets.rootKey) });

  test('a rotation names the replica that lacks the new key, and changes nothing', async () => {
    await rig.replica(both());
    const before = (await rig.server.sql.query('select * from instance')).rows;
    await expect(rotateRoot(await rig.rotation(next, rig.server.secrets.rootKey), keys())).rejects.toThrow(
      /^one does not hold both root keys \(kms-.* and kms-.*\); roll ROOT_ENCRYPTION_KEY/,
    );
    expect((await rig.server.sql.query('select * from instance')).rows).toEqual(before);
  });

  test('it is rotated while two replicas read and write, with no failure', async () => {
    await rig.server.app.close();
    const apps = [await rig.replica(both()), await rig.replica({ ...both(), replicas: { name: 'three' } })];
    Object.assign(rig.server, { app: apps[0] });
    const running = load(rig, apps);
    const on = await rig.rotation(next, rig.server.secrets.rootKey);
    const wraps = await rotateRoot(on, keys());
    expect(await running.stop()).toBeGreaterThan(0);
    expect(wraps).toEqual({ underNew: 4, underFormer: 0, broken: [] });
    const { rows } = await rig.server.sql.query('select root_fingerprint, next_root_check from instance');
    expect(rows).toEqual([{ root_fingerprint: rootFingerprint(parseRootKey(next)), next_root_check: null }]);
    // What is made afterwards is under the new key alone, though the process held the former one first.
    await rig.server.project('later');
    const alone = await rig.replica({ rootKey: parseRootKey(next), replicas: { name: 'four' } });
    expect(await rig.values(alone)).toMatchObject({ B: 'kept', OTHER: 'other' });
    expect(await rotateRoot(on, keys())).toEqual({ underNew: 5, underFormer: 0, broken: [] });
    // And the former one opens nothing any more.
    await expect(rig.replica({})).rejects.toThrow(WrongRootKey);
    const audited = await rig.server.sql.query(`select metadata from audit_log where event = 'rotate-root-key'`);
    expect(audited.rows[0].metadata).toEqual({
      from: rootFingerprint(keys().previous),
      to: rootFingerprint(keys().root),
    });
  });

  test('a run that ended in the middle is run again, and no server starts without the new key meanwhile', async () => {
    await rig.server.app.close();
    Object.assign(rig.server, { app: await rig.replica(both()) });
    const on = await rig.rotation(next, rig.server.secrets.rootKey);
    const torn = {
      ...on,
      say: (line: string) => {
        if (line.includes('wrapped anew')) throw new Error('killed');
      },
    };
    await expect(rotateRoot(torn, keys())).rejects.toThrow('killed');
    await expect(rig.replica({ replicas: { name: 'three' } })).rejects.toThrow(
      /the root key is being rotated from kms-/,
    );
    expect(await rig.values()).toMatchObject({ A: 'second' });
    expect(await rotateRoot(on, keys())).toEqual({ underNew: 4, underFormer: 0, broken: [] });
    expect(await rig.values()).toMatchObject({ A: 'second' });
  });

  test('a key that opens under neither is named', async () => {
    await rig.server.sql.query(`update project_keys set wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)`);
    await rig.server.app.close();
    Object.assign(rig.server, { app: await rig.replica(both()) });
    await expect(rotateRoot(await rig.rotation(next, rig.server.secrets.rootKey), keys())).rejects.toThrow(
      `these keys open under neither root key: project ${rig.project.id}/1; restore them from a backup`,
    );
  });
});

describe('a project key', () => {
  const gateway = async () => (await findProjects(rig.db, 'gateway'))[0]!;

  test('everything of a project is sealed anew while it is read and written, with no failure', async () => {
    const second = await rig.replica({});
    const updated = (await rig.read()).secrets.map((secret: any) => [secret.secretKey, secret.updatedAt]);
    const running = load(rig, [rig.server.app, second]);
    const { version } = await rotateProject(await rig.rotation(), await gateway());
    expect(await running.stop()).toBeGreaterThan(0);
    expect(version).toBe(2);
    const counts = await countRows(rig.db, rig.project.id);
    expect(counts.map((row) => row.version)).toEqual([2]);
    expect((await rig.server.sql.query('select version from project_keys')).rows).toEqual([{ version: 2 }]);
    expect(await rig.values(second)).toMatchObject({ B: 'kept', OTHER: 'other' });
    // History, and a person's own value, open as before; nobody is told of a change that was none.
    expect((await rig.read(undefined, '&version=1', 'A')).secret.secretValue).toBe('first');
    const own = await rig.server.do(
      'GET',
      `/api/v4/secrets/B?projectId=${rig.project.id}&environment=dev&type=personal`,
      {
        token: rig.person,
      },
    );
    expect(own.secret.secretValue).toBe('my own');
    const after = (await rig.read()).secrets.map((secret: any) => [secret.secretKey, secret.updatedAt]);
    expect(after.filter(([key]: [string]) => key !== 'A')).toEqual(updated.filter(([key]: [string]) => key !== 'A'));
  });

  test('the audit vouches for what was sealed anew, and finds the old seal put back', async () => {
    const { rows } = await rig.server.sql.query(`select * from secrets where key = 'OTHER'`);
    await rotateProject(await rig.rotation(), await gateway());
    const on = await rig.rotation();
    const findings = async () => (await verifyAudit({ db: rig.db, keyring: on.keyring, sinks: [] })).findings;
    const own = (await rig.server.sql.query('select * from personal_secrets')).rows[0];
    expect(own.key_version).toBe(2);
    expect((await findings()).filter(({ table }) => table?.endsWith('secrets'))).toEqual([]);
    await rig.server.sql.query('update personal_secrets set sealed_value = $1', [rows[0].sealed_value]);
    expect((await findings()).filter(({ table }) => table === 'personal_secrets')).toMatchObject([
      { kind: 'secret-changed' },
    ]);
    await rig.server.sql.query('update secrets set sealed_value = $2 where id = $1', [
      rows[0].id,
      rows[0].sealed_value,
    ]);
    expect((await findings()).map(({ kind }) => kind)).toContain('secret-changed');
  });

  test('a row that does not open is named, and the former key is kept for it', async () => {
    await rig.server.sql.query(
      `update secrets set sealed_value = set_byte(sealed_value, 20, get_byte(sealed_value, 20) # 1) where key = 'OTHER'`,
    );
    const on = await rig.rotation();
    await expect(rotateProject(on, await gateway())).rejects.toThrow(
      /these rows do not open.*secrets .* \("OTHER", version 1\)/,
    );
    expect((await rig.server.sql.query('select version from project_keys order by 1')).rows).toHaveLength(2);
    await rig.write('OTHER', 'anew');
    // The broken value is history now, which no write mends.
    await expect(rotateProject(on, await gateway())).rejects.toThrow(RotationStopped);
    await rig.server.sql.query(`delete from secret_versions where key = 'OTHER'`);
    expect((await rotateProject(on, await gateway())).version).toBe(2);
    expect((await rig.server.sql.query('select version from project_keys')).rows).toEqual([{ version: 2 }]);
  });

  thorough('a rotation that was killed goes on where it was', async () => {
    const values = Object.fromEntries(Array.from({ length: 1_500 }, (_, n) => [`KEY_${n}`, `value ${n}`]));
    for (let from = 0; from < 1_500; from += 100) {
      const some = Object.fromEntries(Object.entries(values).slice(from, from + 100));
      await rig.server.setSecrets(rig.project.id, 'staging', some);
    }
    const { rootKey, authSecret } = rig.server.secrets;
    const environment = {
      ROOT_ENCRYPTION_KEY: rootKey,
      AUTH_SECRET: authSecret,
      DB_CONNECTION_URI: rig.server.database.uri,
    };
    const args = ['keys', 'rotate-project', '--project', 'gateway'];
    const killed = new ServerProcess(environment, args);
    killed.child.stderr!.on('data', () => {
      if (killed.stderr.includes('rows sealed under')) killed.signal('SIGKILL');
    });
    expect((await killed.ended()).signal).toBe('SIGKILL');
    const half = await countRows(rig.db, rig.project.id);
    expect(half.map(({ version }) => version)).toEqual([1, 2]);
    const list = async () => {
      const at = `/api/v4/secrets?projectId=${rig.project.id}&environment=staging`;
      const { secrets } = await rig.server.do('GET', at);
      return Object.fromEntries(secrets.map((secret: any) => [secret.secretKey, secret.secretValue]));
    };
    expect(await list()).toEqual(values);
    const again = await new ServerProcess(environment, args).ended();
    expect(again.code).toBe(0);
    expect(again.output).toContain('project gateway: goes on with version 2');
    expect((await countRows(rig.db, rig.project.id)).map(({ version }) => version)).toEqual([2]);
    expect(await list()).toEqual(values);
    expect(again.output + killed.stderr).not.toContain('value 1');
  });
});

test('the configuration key is rotated, and the former one goes', async () => {
  const on = await rig.rotation();
  const { id } = await rig.server.machine('reviewer');
  const sql = `insert into machine_logins (id, identity_id, method, settings, sealed_reviewer_token, access_token_ttl,
                 access_token_max_ttl, access_token_trusted_ips)
               values ($1, $2, 'kubernetes-auth', '{}', $3, 60, 60, '{}')`;
  const owner = '0b9c8c1e-58a7-4f3c-a2a5-6a7d2d0f1a02';
  await rig.server.sql.query(sql, [
    owner,
    id,
    await on.keyring.sealConfig('kubernetes-token-reviewer', owner, 'token'),
  ]);
  expect(await rotateConfig(on)).toEqual({ version: 2, rows: 1 });
  const { rows } = await rig.server.sql.query(`select version from instance_keys where purpose = 'config'`);
  expect(rows).toEqual([{ version: 2 }]);
  const [row] = (await rig.server.sql.query('select sealed_reviewer_token as sealed from machine_logins')).rows;
  const other = await rig.rotation();
  expect(await other.keyring.openConfig('kubernetes-token-reviewer', owner, row.sealed)).toBe('token');
});

test('the status counts by key version, and names every replica', async () => {
  await rig.replica({});
  const { keyring } = await rig.rotation();
  const root = parseRootKey(rig.server.secrets.rootKey);
  const text = tell(await keysStatus({ db: rig.db, keyring, root }));
  expect(text).toContain(`root key of the database: ${rootFingerprint(root)}`);
  expect(text).toContain('wrapped keys: 4 under');
  expect(text).toContain('project gateway: key versions 1; 5 rows under version 1');
  expect(text).toMatch(/replica one .*\nreplica two /);
});

describe('AUTH_SECRET', () => {
  const next = () => parseAuthSecret(randomBytes(32).toString('base64'));
  const login = async (app: FastifyInstance, machine: { clientId: string; clientSecret: string }) => {
    const { clientId, clientSecret } = machine;
    const url = '/api/v1/auth/universal-auth/login';
    return (await app.inject({ method: 'POST', url, payload: { clientId, clientSecret } })).json().accessToken;
  };
  const statusOf = async (app: FastifyInstance, token: string) =>
    (
      await app.inject({
        method: 'GET',
        url: `/api/v4/secrets?projectId=${rig.project.id}&environment=dev`,
        headers: { authorization: `Bearer ${token}` },
      })
    ).statusCode;

  test('tokens are signed with a new one only when every replica knows it', async () => {
    const machine = await rig.server.machine('reader', { projectId: rig.project.id, roles: [{ role: 'viewer' }] });
    const former = parseAuthSecret(rig.server.secrets.authSecret);
    const secret = next();
    const rolled = await rig.replica({ authSecret: secret, previousAuthSecret: former });
    // The first replica knows the former alone: what the second one issues has to be good there.
    const early = await login(rolled, machine);
    expect([await statusOf(rig.server.app, early), await statusOf(rolled, early)]).toEqual([200, 200]);
    await rig.server.app.close();
    const kidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString()).kid;
    let late = await login(rolled, machine);
    for (let tries = 0; kidOf(late) === kidOf(early) && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      late = await login(rolled, machine);
    }
    expect(kidOf(late)).not.toBe(kidOf(early));
    // The former one's tokens stay good, and a replica with the new secret alone accepts the new ones.
    expect(await statusOf(rolled, early)).toBe(200);
    const last = await rig.replica({ authSecret: secret, replicas: { name: 'three' } });
    expect([await statusOf(last, late), await statusOf(last, early)]).toEqual([200, 401]);
    Object.assign(rig.server, { app: last });
  });
});
