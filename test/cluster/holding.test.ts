import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { KmsSecrets, RESYNC_ANNOTATION } from '../../operator/kms-secret.ts';
import type { TestCluster } from './support/cluster.ts';
import type { Gate, Weather } from './support/gate.ts';
import { gatedCluster } from './support/gated.ts';

/** No fault of KMS ever empties a Secret: the last good content stays, and the condition names the cause. */

const namespace = 'hanzo';
let cluster: TestCluster;
let gate: Gate;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ cluster, gate, close } = await gatedCluster(namespace));
  await cluster.operator();
});
afterEach(() => {
  gate.weather = 'pass';
});
afterAll(() => close());

const data = (slug: string) => cluster.data(namespace, `${slug}-secrets`);
const look = (slug: string) =>
  cluster.api.patch(
    KmsSecrets,
    { namespace, name: `${slug}-kms-sync` },
    { metadata: { annotations: { [RESYNC_ANNOTATION]: String(performance.now()) } } },
    'somebody',
  );

/** A service in sync, with eight keys. */
async function inSync(slug: string, spec: Record<string, unknown> = {}) {
  const keys = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`KEY_${n}`, `value ${n}`]));
  const service = await cluster.service(slug, namespace, keys);
  await cluster.kmsSecret(slug, namespace, { hostAPI: gate.url, resyncInterval: 5, ...spec });
  await expect.poll(() => data(slug)).toEqual(keys);
  await expect.poll(async () => (await cluster.synced(slug, namespace))?.reason).toBe('Synced');
  return { ...service, keys };
}

const empty = { secrets: [], imports: [] };

test.each<[string, Weather, string, RegExp]>([
  ['is away', 'down', 'KmsUnreachable', /cannot be reached/],
  ['answers 500', { status: 500, body: { message: 'x' } }, 'KmsFailing', /HTTP 500/],
  [
    'answers 503',
    { status: 503, body: { reqId: 'r', statusCode: 503, message: 'not ready', error: 'Unavailable' } },
    'KmsFailing',
    /503/,
  ],
  ['is a page of a proxy', { status: 200, body: '<html>' }, 'KmsFailing', /is not what it should be/],
  [
    'answers that everything is gone, without a folder',
    { status: 200, body: empty, path: /secrets\/raw/ },
    'EmptyHeld',
    /no key where there were 8/,
  ],
  [
    'answers 404',
    {
      status: 404,
      body: { reqId: 'r', statusCode: 404, message: 'no such folder.', error: 'NotFound' },
      path: /secrets\/raw/,
    },
    'NotFound',
    /is not there/,
  ],
  [
    'answers 403',
    {
      status: 403,
      body: { reqId: 'r', statusCode: 403, message: 'not allowed.', error: 'PermissionDenied' },
      path: /secrets\/raw/,
    },
    'AccessDenied',
    /role Viewer/,
  ],
])('KMS %s: the Secret stays, and is in sync again by itself', async (name, weather, reason, message) => {
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 30)
    .replace(/-$/, '');
  const { keys } = await inSync(slug);
  gate.weather = weather;
  gate.cut();
  await look(slug);
  await expect
    .poll(() => cluster.synced(slug, namespace))
    .toMatchObject({ status: 'False', reason, message: expect.stringMatching(message) });
  expect(await data(slug)).toEqual(keys);
  gate.weather = 'pass';
  await expect.poll(async () => (await cluster.synced(slug, namespace))?.reason).toBe('Synced');
  expect(await data(slug)).toEqual(keys);
});

test('a revoked identity leaves the Secret as it is', async () => {
  const { machine, keys } = await inSync('revoked');
  await cluster.kms.do('DELETE', `/api/v1/identities/${machine.id}`);
  await expect
    .poll(() => cluster.synced('revoked', namespace))
    .toMatchObject({ reason: 'CredentialsRefused', message: expect.stringContaining('hanzo/revoked-kms-auth') });
  expect(await data('revoked')).toEqual(keys);
});

test('an environment or a path that is not there is named, and nothing is emptied', async () => {
  const { keys } = await inSync('moved');
  const scope = (secretsPath: string) =>
    cluster.api.patch(
      KmsSecrets,
      { namespace, name: 'moved-kms-sync' },
      { spec: { authentication: { universalAuth: { secretsScope: { secretsPath } } } } },
      'somebody',
    );
  await scope('/mistyped');
  await expect
    .poll(() => cluster.synced('moved', namespace))
    .toMatchObject({ reason: 'NotFound', message: expect.stringContaining('moved production:/mistyped') });
  expect(await data('moved')).toEqual(keys);
});

test('another folder by mistake, and empty, is held; deleting and creating the KMSSecret follows it', async () => {
  const { projectId, keys } = await inSync('mistaken');
  await cluster.kms.do('POST', '/api/v1/folders', {
    body: { workspaceId: projectId, environment: 'prod', name: 'empty', path: '/' },
  });
  const place = { namespace, name: 'mistaken-kms-sync' };
  await cluster.api.patch(
    KmsSecrets,
    place,
    { spec: { authentication: { universalAuth: { secretsScope: { secretsPath: '/empty' } } } } },
    'somebody',
  );
  await expect.poll(async () => (await cluster.synced('mistaken', namespace))?.reason).toBe('EmptyHeld');
  expect(await data('mistaken')).toEqual(keys);
  await cluster.api.delete(KmsSecrets, place);
  await cluster.kmsSecret('mistaken', namespace, { hostAPI: gate.url }, { secretsPath: '/empty' });
  await expect.poll(() => data('mistaken')).toEqual({});
});

test('keys that somebody deleted in KMS are gone, all of them if need be', async () => {
  const { projectId, keys } = await inSync('emptied');
  await cluster.kms.do('DELETE', '/api/v3/secrets/batch/raw', {
    body: {
      workspaceId: projectId,
      environment: 'prod',
      secretPath: '/',
      secrets: Object.keys(keys).map((secretKey) => ({ secretKey })),
    },
  });
  await expect.poll(() => data('emptied')).toEqual({});
  await expect.poll(async () => (await cluster.synced('emptied', namespace))?.message).toMatch(/^0 keys/);
});

test('an edit by hand is repaired while KMS only says that nothing changed', async () => {
  const { keys } = await inSync('unchanged', { instantUpdates: false });
  await cluster.kubectl(
    '-n',
    namespace,
    'patch',
    'secret',
    'unchanged-secrets',
    '-p',
    '{"stringData":{"KEY_0":"by hand"}}',
  );
  await expect.poll(() => data('unchanged')).toEqual(keys);
});

const describe = (slug: string) => cluster.kubectl('-n', namespace, 'describe', 'kmssecret', `${slug}-kms-sync`);
const reason = async (slug: string) => (await cluster.synced(slug, namespace))?.reason;

test('kubectl describe tells what never was in sync: that there is nothing yet, and whether it is logged in', async () => {
  for (const slug of ['no-login', 'no-key', 'no-namespace']) await cluster.service(slug, namespace, { A: '1' });
  await cluster.credentials('no-login', namespace, { clientId: randomUUID(), clientSecret: 'x'.repeat(64) });
  await cluster.kmsSecret('no-login', namespace);
  await cluster.kmsSecret('no-key', namespace, { requiredKeys: ['A', 'B'] });
  const managedSecretReference = { secretName: 'a', secretNamespace: 'default' };
  await cluster.kmsSecret('no-namespace', namespace, { managedSecretReference });
  await expect.poll(() => reason('no-login')).toBe('CredentialsRefused');
  expect(await describe('no-login')).toMatch(
    /Warning +CredentialsRefused .* KMS refuses the client id and secret in hanzo\/no-login-kms-auth: .*\. Make a new client secret and put it there\. Nothing was written yet\.\n/,
  );
  await expect.poll(() => reason('no-key')).toBe('KeysMissing');
  expect(await describe('no-key')).toMatch(
    /Warning +KeysMissing .* no-key production:\/ has no B: set it in KMS, or take it out of requiredKeys\. Nothing was written yet\.\n/,
  );
  await expect.poll(() => reason('no-namespace')).toBe('NamespaceNotAllowed');
  // Nobody has logged in for it, so nothing is said of that.
  expect(await describe('no-namespace')).toMatch(
    /Reason: +NamespaceNotAllowed\n +Status: +Unknown\n +Type: +Authenticated/,
  );
});

test('kubectl describe tells what is held and why, and that it is over', async () => {
  await inSync('told', { instantUpdates: false });
  gate.weather = { status: 200, body: empty, path: /secrets\/raw/ };
  await look('told');
  await expect.poll(() => reason('told')).toBe('EmptyHeld');
  const held = await describe('told');
  expect(held).toMatch(/Normal +Synced .* 8 keys of told production:\/ are in Secret\/hanzo\/told-secrets\n/);
  expect(held).toMatch(
    /Warning +EmptyHeld .* no key where there were 8, and does not say which folder it is of\. If that is right, .* The last good content stays\.\n/,
  );
  gate.weather = 'pass';
  await expect.poll(() => reason('told')).toBe('Synced');
  await expect.poll(() => describe('told')).toMatch(/Normal +Synced .* in sync again: 8 keys of told production:\/\n/);
  expect(await cluster.kubectl('-n', namespace, 'get', 'kmss', 'told-kms-sync', '-o', 'wide')).toMatch(
    /SYNCED +REASON +KEYS +VERSION +AGE\n.* True +Synced +8 +1 /,
  );
});
