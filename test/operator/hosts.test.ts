import { expect, test } from 'vitest';
import { readConfig } from '../../operator/config.ts';
import { KmsClients } from '../../operator/kms/clients.ts';
import { hostOf, KmsHosts, lookupOfKms } from '../../operator/kms/hosts.ts';

const secret = { ca: undefined, clientId: 'id', clientSecret: 'planted-client-secret' };
const former = { at: '', secrets: [] };
const use = (hosts: string[], hostAPI: string) => () =>
  new KmsClients('test', String, new KmsHosts(hosts)).use('hanzo/a', { ...secret, former, hostAPI });

test.each([
  'https://evil.example',
  'http://kms.hanzo.ai',
  'https://kms.hanzo.ai:8443',
  'https://kms.hanzo.ai.evil.example',
  'https://evil.example\\kms.hanzo.ai',
  'https://evil.example/https://kms.hanzo.ai',
  'http://kms.hanzo.svc:8080/elsewhere',
  'http://kms.hanzo.svc:8080/api/../../elsewhere',
  'http://kms.hanzo.svc:8080/apiary',
])('where servers are listed, no client secret goes to %s', (hostAPI) => {
  expect(use(['https://kms.hanzo.ai', 'http://kms.hanzo.svc:8080/api'], hostAPI)).toThrow(
    expect.objectContaining({ reason: 'HostNotAllowed', message: expect.not.stringContaining('planted') }),
  );
});

test.each([
  'https://kms.hanzo.ai',
  'https://KMS.hanzo.ai:443/',
  'https://kms.hanzo.ai\\.evil.example',
  'https://kms.hanzo.ai/eu',
  'http://kms.hanzo.svc:8080/api/',
])('it goes to %s, which is listed', (hostAPI) => {
  expect(use(['https://kms.hanzo.ai', 'http://kms.hanzo.svc:8080/api'], hostAPI)).not.toThrow();
});

test.each([
  'http://169.254.169.254/latest',
  'http://[::ffff:169.254.169.254]',
  'http://2852039166',
  'http://0xa9fea9fe',
  'http://0251.0376.0251.0376',
  'http://[fe80::1]',
  'http://[fd00:ec2::254]',
  'http://100.100.100.200',
  'http://168.63.129.16',
  'http://0.0.0.0:8080',
  'http://[::]:8080',
])('where none is listed, it does not go to %s all the same', (hostAPI) => {
  expect(use([], hostAPI)).toThrow(/is an address that no KMS has/);
});

test('a name that leads to such an address is not connected to', async () => {
  const looked = (name: string) =>
    new Promise<unknown>((resolve) => lookupOfKms(name, { all: true }, (error, all) => resolve(error ?? all)));
  // A name that is an address is looked up as itself, whatever resolves names here.
  expect(String(await looked('169.254.169.254'))).toContain('169.254.169.254 leads to an address that no KMS has');
  expect(await looked('127.0.0.1')).toEqual([{ address: '127.0.0.1', family: 4 }]);
});

test.each(['http://kms:99999', 'http://[', 'http://a b'])('%s is told to be no address', (hostAPI) => {
  expect(use([], hostAPI)).toThrow(`hostAPI ${hostAPI} is no address`);
});

test.each([
  ['https://kms.hanzo.ai', 'https://KMS.hanzo.ai:443//'],
  ['http://kms/a', 'http://kms/b/../a/'],
])('%s and %s are one server', (one, other) => {
  expect(hostOf(one)).toBe(hostOf(other));
});

test('what had its time at one server says nothing of the same client secret at another', () => {
  const clients = new KmsClients('test', String, new KmsHosts([]));
  const at = (hostAPI: string) => ({ ...secret, hostAPI });
  const evil = {
    ...at('http://evil'),
    clientSecret: 'next',
    former: { at: 'http://evil', secrets: [secret.clientSecret] },
  };
  clients.use('evil/a', evil);
  expect(clients.hasSuccessor(at('http://evil/'))).toBe(true);
  expect(clients.hasSuccessor(at('http://kms'))).toBe(false);
  expect(clients.hasSuccessor({ ...at('http://evil'), clientId: 'another' })).toBe(false);
});

test.each(['kms.hanzo.ai', 'ftp://kms.hanzo.ai', 'https://kms.hanzo.ai,nothing'])(
  'the operator does not start with the servers %s',
  (servers) => {
    expect(() => readConfig({ KMS_HOSTS: servers })).toThrow('KMS_HOSTS');
  },
);
