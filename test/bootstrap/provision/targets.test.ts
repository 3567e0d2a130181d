import { expect, test } from 'vitest';
import type { Ids } from '../../../bootstrap/live/ids.ts';
import {
  type Given,
  mintTargetsOf,
  refuseSecretsOfOthers,
  tokenPlaceOf,
  waitTargetsOf,
} from '../../../bootstrap/provision/targets.ts';
import { storeToken } from '../../../bootstrap/provision/token.ts';
import { wantedInventory } from '../../../bootstrap/provision/wanted.ts';
import type { Inventory } from '../../../contracts/inventory.ts';
import { KEPT_BY_ANNOTATION } from '../../../operator/kms-secret.ts';
import type { KubernetesApi } from '../../../operator/kubernetes/api.ts';
import type { Kms } from '../../../sdk/index.ts';

const identity = (name: string) => ({ name, role: 'no-access' as const, projects: [] });
const inventory: Inventory = {
  version: 1,
  organizations: [
    { slug: 'hanzo', admins: [], projects: [], identities: ['gateway-service', 'chat-service', 'ci'].map(identity) },
    { slug: 'lux', admins: [], projects: [], identities: [identity('chat-service')] },
  ],
};

const mint = (...given: Given) =>
  mintTargetsOf(given, inventory, 'kms').map(
    ({ organization, identity, secret, renewable }) =>
      `${organization}/${identity} ${secret.namespace}/${secret.name}${renewable ? ' renewable' : ''}`,
  );

test.each<[string, Given, string[]]>([
  ['as HIP-27 names it', ['gateway-service'], ['hanzo/gateway-service kms/gateway-kms-auth']],
  ['one that is no service', ['ci'], ['hanzo/ci kms/ci-kms-auth']],
  ['a Secret of its namespace', ['ci=other'], ['hanzo/ci kms/other']],
  ['a Secret elsewhere', ['ci=team/other'], ['hanzo/ci team/other']],
  ['one of two organizations', ['lux/chat-service=team/a'], ['lux/chat-service team/a']],
  [
    'renewable',
    ['ci=team/a,renewable', 'gateway-service,renewable'],
    ['hanzo/ci team/a renewable', 'hanzo/gateway-service kms/gateway-kms-auth renewable'],
  ],
])('credentials go where they are told to: %s', (_what, given, targets) => {
  expect(mint(...given)).toEqual(targets);
});

test.each<[string, Given, string]>([
  ['nobody', ['none'], 'the inventory has no identity "none"'],
  ['somebody of another organization', ['lux/ci'], 'the inventory has no identity "lux/ci"'],
  ['one of two', ['chat-service'], 'several organizations have an identity "chat-service"'],
  ['one Secret for two', [true], 'two identities have the Secret kms/chat-kms-auth'],
  ['a place that is none', ['ci=Team/a'], '"Team/a" is not of the form'],
  ['a path', ['ci=a/b/c'], '"a/b/c" is not of the form'],
])('%s is refused', (_what, given, says) => {
  expect(() => mint(...given)).toThrow(says);
});

test('a wait without a name is for what is minted', () => {
  const minted = mintTargetsOf(['gateway-service', 'ci=team/deploy'], inventory, 'kms');
  expect(waitTargetsOf([true, 'kms/gateway-kms-sync', 'x'], minted, 'kms')).toEqual([
    { namespace: 'kms', name: 'gateway-kms-sync' },
    { namespace: 'team', name: 'deploy-kms-sync' },
    { namespace: 'kms', name: 'x' },
  ]);
});

test('a token has a Secret and a key', () => {
  expect(tokenPlaceOf('kms-bootstrap-secret/token', 'kms')).toEqual({
    namespace: 'kms',
    name: 'kms-bootstrap-secret',
    key: 'token',
  });
  for (const text of ['token', 'a/b/c', 'A/b', 'a/'])
    expect(() => tokenPlaceOf(text, 'kms')).toThrow(`"${text}" is not of the form`);
});

test.each<[string, Given, string, string]>([
  ['credentials for the root key', ['ci=kms/root'], 'free/token', 'kms/root holds the root key'],
  ['a token for the root key', [], 'root/ROOT_ENCRYPTION_KEY', 'kms/root holds the root key'],
  [
    'a token for the password of Postgres',
    [],
    'kms-postgres-auth/password',
    'kms/kms-postgres-auth holds the password',
  ],
  ['credentials for the password of Redis', ['ci=kms-redis-auth'], 'free/token', 'kms-redis-auth holds the password'],
  ['a token for credentials', ['gateway-service'], 'gateway-kms-auth/clientSecret', 'kms/gateway-kms-auth is for cred'],
])('%s are refused', (_what, given, token, says) => {
  const refuse = (to: Given, where: string) =>
    refuseSecretsOfOthers(
      { namespace: 'kms', secretName: 'root' },
      mintTargetsOf(to, inventory, 'kms'),
      tokenPlaceOf(where, 'kms'),
    );
  expect(() => refuse(given, token)).toThrow(says);
  expect(() => refuse(['gateway-service', 'ci=team/root'], 'free/token')).not.toThrow();
});

test('a token goes into no Secret that a KMSSecret keeps, and none is made for it', async () => {
  const kept = { metadata: { name: 'gateway-secrets', annotations: { [KEPT_BY_ANNOTATION]: 'kms/gateway' } } };
  const asked: string[] = [];
  const never = new Proxy({}, { get: (_, name) => asked.push(String(name)) });
  const api = { get: async () => kept } as unknown as KubernetesApi;
  const place = { namespace: 'kms', name: 'gateway-secrets', key: 'DATABASE_URL' };
  const stored = storeToken(
    api,
    { identities: never } as unknown as Kms,
    { ids: {} as Ids, inventory },
    place,
    AbortSignal.timeout(60_000),
  );
  await expect(stored).rejects.toThrow('kms/gateway-secrets is kept by the KMSSecret kms/gateway');
  expect(asked).toEqual([]);
});

test('organizations of the command line come to those of the file', async () => {
  const wanted = await wantedInventory({ organizations: ['pars', 'lux', 'pars'], adminEmails: ['Z@Hanzo.AI'] });
  expect(wanted.organizations.map(({ slug, admins }) => [slug, admins])).toEqual([
    ['pars', ['z@hanzo.ai']],
    ['lux', ['z@hanzo.ai']],
  ]);
  const file = new URL('../../../examples/hanzo/kms.yaml', import.meta.url).pathname;
  const both = await wantedInventory({ file, organizations: ['pars', 'new'], adminEmails: ['y@hanzo.ai'] });
  expect(both.organizations.map(({ slug, admins }) => [slug, admins.length])).toEqual([
    ['hanzo', 1],
    ['lux', 1],
    ['zoo', 1],
    ['pars', 2],
    ['new', 1],
  ]);
});

test.each([
  ['a slug that is none', ['Not One'], [], '--organization: "Not One": a slug is made of'],
  ['an address that is none', ['a'], ['z'], '--admin-email: "z": '],
  ['admins of nothing', [], ['z@hanzo.ai'], '--admin-email names the admins of --organization'],
])('%s is refused', async (_what, organizations, adminEmails, says) => {
  await expect(wantedInventory({ organizations, adminEmails })).rejects.toThrow(says);
});
