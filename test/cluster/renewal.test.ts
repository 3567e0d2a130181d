import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsSecrets } from '../../operator/kms-secret.ts';
import { Secrets } from '../../operator/kubernetes/resources.ts';
import type { Operator } from '../../operator/operator.ts';
import { TestCluster } from './support/cluster.ts';
import { renewableService, renewing } from './support/renewable.ts';

/** The operator renews the client secrets that it logs in with, for the KMSSecrets that ask for it. */

let cluster: TestCluster;
let operator: Operator;
const namespace = 'hanzo';

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.namespace(namespace);
  operator = await cluster.operator();
});
afterAll(() => cluster.close());

const auth = (slug: string) => cluster.data(namespace, `${slug}-kms-auth`);
const condition = async (slug: string, type = 'CredentialsRenewed') =>
  (await cluster.api.get(KmsSecrets, { namespace, name: `${slug}-kms-sync` })).status?.conditions?.find(
    (one) => one.type === type,
  );
const revoked = async () =>
  (await cluster.kms.sql.query("select from audit_log where event = 'revoke-client-secret-family'")).rows.length;
const count = async (what: string): Promise<number> =>
  Number(
    (await operator.metrics())
      .split('\n')
      .find((line) => line.startsWith(what))
      ?.split(' ')
      .at(-1) ?? 0,
  );
/** Turns that ended in anything but Synced. */
const failed = async () =>
  (await operator.metrics())
    .split('\n')
    .filter((line) => line.startsWith('kms_operator_syncs_total') && !line.includes('reason="Synced"'));

test('a renewable client secret is renewed at first sight, once for all KMSSecrets that name it', async () => {
  const { clientSecret } = await renewableService(cluster, 'gateway', namespace, { ttl: 3600, tokenTtl: 600 });
  await cluster.kmsSecret('gateway', namespace, { authentication: renewing('gateway', namespace) });
  for (const n of [1, 2, 3])
    await cluster.api.create(KmsSecrets, namespace, {
      metadata: { name: `gateway-more-${n}`, namespace },
      spec: {
        hostAPI: cluster.url,
        authentication: renewing('gateway', namespace),
        managedSecretReference: { secretName: `gateway-more-${n}`, secretNamespace: namespace },
      },
    } as never);
  await expect.poll(async () => (await condition('gateway'))?.status).toBe('True');
  const now = await auth('gateway');
  expect(Object.keys(now ?? {}).toSorted()).toEqual(['clientId', 'clientSecret']);
  expect(now?.clientSecret).not.toBe(clientSecret);
  for (const n of [1, 2, 3])
    await expect.poll(() => cluster.data(namespace, `gateway-more-${n}`)).toEqual({ KEY: 'gateway' });
  expect(await count('kms_operator_renewals_total{outcome="renewed"}')).toBe(1);
  expect(await failed()).toEqual([]);
  expect(await revoked()).toBe(0);
});

test('one that KMS does not let be renewed stays, and the condition says what to do', async () => {
  await cluster.service('plain', namespace, { KEY: 'plain' });
  const before = await auth('plain');
  await cluster.kmsSecret('plain', namespace, { authentication: renewing('plain', namespace) });
  await expect
    .poll(() => condition('plain'))
    .toMatchObject({ status: 'False', reason: 'RenewalRefused', message: expect.stringContaining('renewable: true') });
  await expect.poll(() => cluster.data(namespace, 'plain-secrets')).toEqual({ KEY: 'plain' });
  expect(await auth('plain')).toEqual(before);
});

test('nothing is renewed that no KMSSecret asks for, and no longer when it is taken back', async () => {
  await renewableService(cluster, 'quiet', namespace, { ttl: 3600, tokenTtl: 600 });
  const before = await auth('quiet');
  await cluster.kmsSecret('quiet', namespace, { authentication: renewing('quiet', namespace, {}, false) });
  await expect.poll(() => cluster.data(namespace, 'quiet-secrets')).toEqual({ KEY: 'quiet' });
  expect(await condition('quiet')).toBeUndefined();
  expect(await auth('quiet')).toEqual(before);
  const place = { namespace, name: 'quiet-kms-sync' };
  const change = (enabled: boolean) =>
    cluster.api.patch(
      KmsSecrets,
      place,
      { spec: { authentication: { universalAuth: { renewal: { enabled } } } } },
      'me',
    );
  await change(true);
  await expect.poll(async () => (await condition('quiet'))?.status).toBe('True');
  await change(false);
  await expect.poll(() => condition('quiet')).toBeUndefined();
});

test('a client secret that two Secrets hold is not renewed: one of them would be left behind', async () => {
  const { machine, clientSecret } = await renewableService(cluster, 'twin', namespace, { ttl: 3600, tokenTtl: 600 });
  await cluster.credentials('copy', namespace, { clientId: machine.clientId, clientSecret });
  await cluster.kmsSecret('copy', namespace, {}, { projectSlug: 'twin' });
  await expect.poll(() => cluster.data(namespace, 'copy-secrets')).toEqual({ KEY: 'twin' });
  await cluster.kmsSecret('twin', namespace, { authentication: renewing('twin', namespace) });
  await expect
    .poll(() => condition('twin'))
    .toMatchObject({ reason: 'CredentialsShared', message: expect.stringContaining(`${namespace}/copy-kms-auth`) });
  expect((await auth('twin'))?.clientSecret).toBe(clientSecret);
});

test('one that had its time and is put back is not used, which would end all that came of it', async () => {
  const { machine, clientSecret } = await renewableService(cluster, 'back', namespace, { ttl: 3600, tokenTtl: 600 });
  await cluster.kmsSecret('back', namespace, { authentication: renewing('back', namespace) });
  await expect.poll(async () => (await condition('back'))?.status).toBe('True');
  const now = await auth('back');
  await cluster.credentials('back', namespace, { clientId: machine.clientId, clientSecret });
  await expect.poll(() => condition('back', 'Synced')).toMatchObject({ reason: 'CredentialsSuperseded' });
  expect(await cluster.data(namespace, 'back-secrets')).toEqual({ KEY: 'back' });
  // Nor where nothing of it tells, as after a restore of the Secret: this process knows.
  await cluster.api.delete(Secrets, { namespace, name: 'back-kms-auth' });
  await expect.poll(() => condition('back', 'Synced')).toMatchObject({ reason: 'CredentialsMissing' });
  await cluster.credentials('back', namespace, { clientId: machine.clientId, clientSecret });
  await expect.poll(() => condition('back', 'Synced')).toMatchObject({ reason: 'CredentialsSuperseded' });
  expect(await revoked()).toBe(0);
  await cluster.credentials('back', namespace, { clientId: machine.clientId, clientSecret: now!.clientSecret! });
  await expect.poll(() => condition('back', 'Synced')).toMatchObject({ reason: 'Synced' });
});

test('a thief who uses one that had its time is noticed: the family ends, and the Secret keeps its content', async () => {
  const { machine, clientSecret } = await renewableService(cluster, 'robbed', namespace, { ttl: 3600, tokenTtl: 600 });
  await cluster.kmsSecret('robbed', namespace, { authentication: renewing('robbed', namespace) });
  await expect.poll(async () => (await condition('robbed'))?.status).toBe('True');
  const login = '/api/v1/auth/universal-auth/login';
  const thief = await cluster.kms.send('POST', login, { body: { clientId: machine.clientId, clientSecret } });
  expect(thief.status).toBe(401);
  expect(await revoked()).toBe(1);
  await cluster.api.patch(
    KmsSecrets,
    { namespace, name: 'robbed-kms-sync' },
    { metadata: { annotations: { 'secrets.lux.network/resync': 'now' } } },
    'me',
  );
  await expect.poll(() => condition('robbed', 'Synced')).toMatchObject({ reason: 'CredentialsRefused' });
  expect(await cluster.data(namespace, 'robbed-secrets')).toEqual({ KEY: 'robbed' });
  await cluster.kms.sql.query("delete from audit_log where event = 'revoke-client-secret-family'");
  await cluster.api.delete(KmsSecrets, { namespace, name: 'robbed-kms-sync' });
});

test.each([
  { what: 'a successor that does not work', next: 'kmscs_nothing-that-kms-knows-of' },
  { what: 'a successor that was never used', next: undefined },
])('what a crash left in the Secret, $what beside the one before, is settled', async ({ next }) => {
  const slug = next === undefined ? 'crash-new' : 'crash-bad';
  const { machine, clientSecret } = await renewableService(cluster, slug, namespace, { ttl: 3600, tokenTtl: 600 });
  const { clientId } = machine;
  const renew = '/api/v1/auth/universal-auth/client-secrets/renew';
  const made = next ?? (await cluster.kms.do('POST', renew, { body: { clientId, clientSecret } })).clientSecret;
  const encode = (text: string) => Buffer.from(text).toString('base64');
  await cluster.api.apply(
    Secrets,
    {
      metadata: { name: `${slug}-kms-auth`, namespace },
      data: { clientSecret: encode(made), previousClientSecret: encode(clientSecret) },
    },
    { fieldManager: 'kms-operator-renewal' },
  );
  await cluster.kmsSecret(slug, namespace, { authentication: renewing(slug, namespace) });
  await expect.poll(() => cluster.data(namespace, `${slug}-secrets`)).toEqual({ KEY: slug });
  await expect.poll(async () => Object.keys((await auth(slug)) ?? {}).toSorted()).toEqual(['clientId', 'clientSecret']);
  expect(await revoked()).toBe(0);
});
