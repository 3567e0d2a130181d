import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseRootKey, rootFingerprint } from '../../../keys/index.ts';
import { canary } from '../../support/canary.ts';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';
import { runProgram } from '../support/run-program.ts';

let live: LiveServer;
let folder: string;
const INVENTORY = `version: 1
organizations:
  - slug: shop
    admins: [z@hanzo.ai]
    projects: [{ slug: till, secrets: { DB_PASSWORD: database-password, STRIPE_KEY: api-key } }]
    identities: [{ name: till-service, projects: [{ project: till, role: viewer, environments: [prod] }] }]
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-cli-'));
  await writeFile(join(folder, 'kms.yaml'), INVENTORY);
  await writeFile(join(folder, 'bad.yaml'), INVENTORY.replace('admins', 'admin'));
  live = await startLiveServer();
  await writeFile(join(folder, 'kms.env'), `AUTH_SECRET=${live.server.secrets.authSecret}\n`);
});
afterAll(async () => {
  await live.close();
  await rm(folder, { recursive: true });
});

const bootstrap = (args: string, env: Record<string, string> = {}, stdin = '') =>
  runProgram('bootstrap/kms-bootstrap.ts', args.split(' '), { cwd: folder, env: { KMS_URL: live.url, ...env }, stdin });
const kms = (args: string, env: Record<string, string>, stdin = '') =>
  runProgram('bootstrap/kms.ts', args.split(' '), { cwd: folder, env: { KMS_URL: live.url, ...env }, stdin });
const ENTER = '--kms-secrets kms.env';

describe('an error exits with 1 and says what to do', () => {
  test.each([
    {
      name: 'a wrong file',
      args: 'plan -f bad.yaml',
      says: 'kms-bootstrap: error: bad.yaml:4:5: unknown key "admin"; did you mean "admins"?',
    },
    {
      name: 'no file',
      args: 'apply -f none.yaml',
      says: 'kms-bootstrap: error: none.yaml: cannot be read: there is no such file',
    },
    {
      name: 'an unknown option',
      args: 'plan -f kms.yaml --frobnicate',
      says: "kms-bootstrap: error: unknown option '--frobnicate'",
    },
    {
      name: 'no proof on a fresh instance',
      args: 'apply -f kms.yaml --yes',
      says: 'the first one needs proof of kms-secrets',
    },
    {
      name: 'no terminal to ask on',
      args: `apply -f kms.yaml ${ENTER}`,
      says: 'there is no terminal to ask on, so nothing was changed',
    },
    {
      name: 'a namespace that is none',
      args: 'init -n Not_One',
      env: { DB_CONNECTION_URI: 'postgres://u@h/kms' },
      says: '"Not_One" is not the name of a namespace',
    },
    { name: 'a manifest without a database', args: 'init', says: 'DB_CONNECTION_URI is not set' },
    {
      name: 'an address that is none',
      args: 'init',
      env: { DB_CONNECTION_URI: `mysql://u:${'x'.repeat(8)}@h/kms` },
      says: 'DB_CONNECTION_URI is not an address such as',
    },
  ])('$name', async ({ args, env, says }) => {
    const { code, stdout, stderr } = await bootstrap(args, env);
    expect(stderr).toContain(says);
    expect(stderr).toContain('kms-bootstrap: ');
    expect(code).toBe(1);
    expect(stdout === '' || args.startsWith('apply')).toBe(true);
    expect((await live.server.sql.query('select 1 from users')).rowCount).toBe(0);
  });

  test('as JSON on standard output when asked', async () => {
    const { code, stdout } = await bootstrap('plan -f bad.yaml --json');
    expect(JSON.parse(stdout).error.message).toContain('bad.yaml:4:5');
    expect(code).toBe(1);
  });
});

test('init writes an env file once, for its owner alone', async () => {
  const made = await bootstrap('init --write-env new/kms.env', { REDIS_URL: 'redis://cache:6379' });
  expect(made).toMatchObject({ code: 0, stdout: '' });
  const file = join(folder, 'new/kms.env');
  const before = await readFile(file, 'utf8');
  expect(before).toMatch(/^ROOT_ENCRYPTION_KEY=\S{44}\nAUTH_SECRET=\S{44}\nREDIS_URL=redis:\/\/cache:6379\n$/);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(made.stderr).not.toContain(before.slice(20, 40));

  const again = await bootstrap('init --write-env new/kms.env');
  expect(again.code).toBe(1);
  expect(again.stderr).toContain('new/kms.env exists already and is not overwritten');
  expect(await readFile(file, 'utf8')).toBe(before);
});

test("init makes the password of compose's Postgres in a file of its own, and goes on after a broken run", async () => {
  const init = (env = {}) => bootstrap('init --write-env laptop/kms.env --bundled-postgres', env);
  const refused = await init({ DB_CONNECTION_URI: 'postgresql://kms:x@db:5432/kms' });
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('--bundled-postgres makes one')]);

  const made = await init();
  expect(made).toMatchObject({ code: 0, stdout: '' });
  expect(made.stderr).toContain('wrote laptop/kms-postgres.env and laptop/kms.env (mode 0600)');
  const [kmsEnv, postgresEnv] = ['laptop/kms.env', 'laptop/kms-postgres.env'].map((name) => join(folder, name));
  const [, password] = /^POSTGRES_PASSWORD=([0-9a-f]{48})\n$/.exec(await readFile(postgresEnv!, 'utf8'))!;
  expect((await stat(postgresEnv!)).mode & 0o777).toBe(0o600);
  const address = `\nDB_CONNECTION_URI=postgresql://kms:${password}@postgres:5432/kms\n`;
  expect(await readFile(kmsEnv!, 'utf8')).toContain(address);
  expect(made.stderr).not.toContain(password);
  expect((await init()).stderr).toContain('laptop/kms.env exists already and is not overwritten');

  await rm(kmsEnv!);
  expect((await init()).code).toBe(0);
  expect(await readFile(kmsEnv!, 'utf8')).toContain(address);

  await rm(kmsEnv!);
  await chmod(postgresEnv!, 0o644);
  const untrusted = await init();
  expect([untrusted.code, untrusted.stderr]).toEqual([1, expect.stringContaining('is not yours alone')]);
});

test('init prints a Secret that a second apply cannot replace', async () => {
  const stdin = `DB_CONNECTION_URI=postgresql://kms:${canary}@db:5432/kms\n`;
  const { code, stdout, stderr } = await bootstrap('init -n kms --addresses-from-stdin', {}, stdin);
  const secret = parse(stdout);
  expect(code).toBe(0);
  expect(secret).toMatchObject({
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    immutable: true,
    metadata: { name: 'kms-secrets', namespace: 'kms' },
  });
  expect(Object.keys(secret.data)).toEqual(['ROOT_ENCRYPTION_KEY', 'AUTH_SECRET', 'DB_CONNECTION_URI']);
  const plain = (name: string) => Buffer.from(secret.data[name], 'base64').toString();
  expect(plain('DB_CONNECTION_URI')).toBe(`postgresql://kms:${canary}@db:5432/kms`);
  expect(stderr).toContain(rootFingerprint(parseRootKey(plain('ROOT_ENCRYPTION_KEY'))));
  expect(stderr).not.toContain(canary);
});

test('the whole way: plan, first apply, plan, apply, a drift', async () => {
  const planned = await bootstrap(`plan -f kms.yaml ${ENTER} --detailed-exitcode`);
  expect(planned.code).toBe(2);
  expect(planned.stdout).toContain('8 to create, 0 to change, 0 to delete, 0 unchanged.');
  expect(planned.stderr).toContain('apply makes z@hanzo.ai the first');

  const applied = await bootstrap(`apply -f kms.yaml ${ENTER} --yes --credentials credentials`);
  expect(applied).toMatchObject({ code: 0 });
  const steps = planned.stdout.split('\n').filter((line) => line.startsWith('  +'));
  expect(applied.stdout.split('\n').filter((line) => /created$/.test(line))).toHaveLength(steps.length);
  expect(applied.stdout).toContain('8 created, 0 changed, 0 deleted, 0 unchanged.');
  expect(applied.stdout).toContain('3 secrets need a value:\n  ! shop/till  dev, staging, prod: STRIPE_KEY');
  await expect(stat(join(folder, '.kms/first-credential.json'))).rejects.toThrow('ENOENT');

  const refused = await bootstrap(`plan -f kms.yaml`);
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain('no credentials for');

  const again = await bootstrap(`apply -f kms.yaml ${ENTER} --recover z@hanzo.ai --credentials credentials`);
  expect(again.stdout).toContain('nothing to change, 8 unchanged');
  expect(again.code).toBe(0);

  await writeFile(join(folder, 'kms.yaml'), INVENTORY.replace('role: viewer', 'role: ci'));
  const drift = await bootstrap(`plan -f kms.yaml ${ENTER} --recover z@hanzo.ai --detailed-exitcode --json`);
  expect(drift.code).toBe(2);
  expect(JSON.parse(drift.stdout)).toMatchObject({
    create: 0,
    change: 1,
    delete: 0,
    unchanged: 7,
    steps: [{ type: 'access', grant: { role: 'ci' } }],
  });
}, 120_000);

test('kms sets from standard input, and lists without values', async () => {
  const token = await tokenOfAdmin();
  const there = '-p till -e prod';
  expect(await kms(`secrets set STRIPE_KEY ${there}`, { KMS_TOKEN: token }, `${canary}\n`)).toMatchObject({
    code: 0,
    stdout: '',
  });
  expect(await kms(`secrets get STRIPE_KEY ${there}`, { KMS_TOKEN: token })).toMatchObject({ code: 0, stdout: canary });
  const listed = await kms(`secrets list ${there}`, { KMS_TOKEN: token });
  expect(listed.stdout).toMatch(/^NAME +VERSION +CHANGED\nDB_PASSWORD +1 .*\nSTRIPE_KEY +1 .*\n$/);
  expect(listed.stdout).not.toContain(canary);
  expect((await kms(`secrets list ${there} --reveal --json`, { KMS_TOKEN: token })).stdout).toContain(canary);
  const emptied = await kms(`secrets set STRIPE_KEY ${there}`, { KMS_TOKEN: token }, '');
  expect(emptied.code).toBe(1);
  expect(emptied.stderr).toContain('kms: error: the value is empty, so nothing was changed');
}, 120_000);

test('a service logs in with its credentials file', async () => {
  const { clientId, clientSecret } = JSON.parse(await readFile(join(folder, 'credentials/till-service.json'), 'utf8'));
  const as = { KMS_CLIENT_ID: clientId, KMS_CLIENT_SECRET: clientSecret };
  expect(await kms('secrets list -p till -e production', as)).toMatchObject({ code: 0 });
  const half = await kms('secrets list -p till -e prod', { KMS_CLIENT_ID: clientId });
  expect(half.stderr).toContain('kms: error: KMS_CLIENT_SECRET is not set, and the other one is');
});

async function tokenOfAdmin(): Promise<string> {
  const body = { email: 'z@hanzo.ai' };
  const path = '/api/v1/admin/recovery-session';
  const answer = await live.server.send('POST', path, {
    body,
    headers: { 'x-kms-proof': live.server.proof('POST', path, body) },
  });
  return answer.body.accessToken;
}
