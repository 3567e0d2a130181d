import { expect, test } from 'vitest';
import { ConfigError, readConfig } from '../../../server/config.ts';
import { newSecrets } from './server-process.ts';

const secrets = newSecrets();
const pattern = (bytes: number) => 'ab'.repeat(bytes);

function problemsOf(more: Record<string, string>): string[] {
  try {
    readConfig({ ...secrets, ...more });
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message.split('\n');
  }
  return [];
}

test.each<{ name: string; more: Record<string, string>; says: RegExp }>([
  {
    name: 'no root key',
    more: { ROOT_ENCRYPTION_KEY: '' },
    says: /^ROOT_ENCRYPTION_KEY is not set; `kms-bootstrap init`/,
  },
  { name: 'no AUTH_SECRET', more: { AUTH_SECRET: '' }, says: /^AUTH_SECRET is not set; `kms-bootstrap init`/ },
  {
    name: 'a root key of 128 bits',
    more: { ROOT_ENCRYPTION_KEY: newSecrets().ROOT_ENCRYPTION_KEY.slice(32) },
    says: /^ROOT_ENCRYPTION_KEY must be 256 bits, .*; make one with: openssl rand -base64 32$/,
  },
  {
    name: 'a root key of 512 bits',
    more: { ROOT_ENCRYPTION_KEY: newSecrets().ROOT_ENCRYPTION_KEY.repeat(2) },
    says: /^ROOT_ENCRYPTION_KEY must be 256 bits/,
  },
  {
    name: 'a root key that is a pattern',
    more: { ROOT_ENCRYPTION_KEY: pattern(32) },
    says: /^ROOT_ENCRYPTION_KEY can be guessed, .*; make one with: /,
  },
  { name: 'a short AUTH_SECRET', more: { AUTH_SECRET: 'c2hvcnQgc2VjcmV0' }, says: /^AUTH_SECRET / },
  {
    name: 'another kind of database',
    more: { DB_CONNECTION_URI: 'mysql://root:hunter2@db/kms' },
    says: /^DB_CONNECTION_URI must be a URL such as/,
  },
  {
    name: 'a certificate without its key',
    more: { TLS_CERT_FILE: '/tls.crt' },
    says: /^TLS_KEY_FILE is not set, and TLS_CERT_FILE is/,
  },
  {
    name: 'a key without its certificate',
    more: { TLS_KEY_FILE: '/tls.key' },
    says: /^TLS_CERT_FILE is not set, and TLS_KEY_FILE is/,
  },
  {
    name: 'an authority of a cache that speaks no TLS',
    more: { REDIS_URL: 'redis://:hunter2@cache', REDIS_CA_FILE: '/ca.crt' },
    says: /^REDIS_URL must begin with rediss:/,
  },
  { name: 'an authority of no database', more: { DB_CA_FILE: '/ca.crt' }, says: /^DB_CA_FILE is of no use/ },
  {
    name: 'another kind of cache',
    more: { REDIS_URL: 'memcached://:hunter2@cache' },
    says: /^REDIS_URL must be a URL such as/,
  },
  { name: 'a port out of range', more: { PORT: '65536' }, says: /^PORT / },
  { name: 'half a port', more: { PORT: '8080.5' }, says: /^PORT / },
  { name: 'a port in words', more: { PORT: 'eighty-eighty' }, says: /^PORT must be a port number$/ },
  { name: 'a negative wait', more: { KMS_DRAIN_SECONDS: '-10' }, says: /^KMS_DRAIN_SECONDS / },
  { name: 'an unknown log level', more: { LOG_LEVEL: 'shouting' }, says: /^LOG_LEVEL / },
  { name: 'a site without a scheme', more: { SITE_URL: 'kms.hanzo.example' }, says: /^SITE_URL must be a URL such as/ },
  {
    name: 'a flag that is neither',
    more: { KMS_ALLOW_UNPROVEN_BOOTSTRAP: 'perhaps' },
    says: /^KMS_ALLOW_UNPROVEN_BOOTSTRAP /,
  },
])('$name is one problem, named without its value', ({ more, says }) => {
  const problems = problemsOf(more);
  expect(problems).toEqual([expect.stringMatching(says)]);
  for (const value of Object.values(more)) if (value.length > 2) expect(problems[0]).not.toContain(value);
  expect(problems[0]).not.toContain('hunter2');
});

test('what is not set has its default', () => {
  expect(readConfig({ ...secrets, PORT: '', DB_CONNECTION_URI: '' })).toMatchObject({
    PORT: 8080,
    HOST: '127.0.0.1',
    KMS_DATA_DIR: '.kms',
    LOG_LEVEL: 'info',
    KMS_DRAIN_SECONDS: 0,
    KMS_ALLOW_UNPROVEN_BOOTSTRAP: false,
  });
});

test('a configuration shows no key when it is printed', () => {
  const config = readConfig(secrets);
  const shown = `${JSON.stringify(config)} ${Object.values(config).map(String).join(' ')}`;
  for (const secret of Object.values(secrets)) expect(shown).not.toContain(secret);
});

test.each([
  ['postgresql://kms:p%40ss@db:5432/kms', ''],
  ['postgresql://kms:p%40ss@db:5432/kms?sslmode=disable&ssl=0', ''],
  ['postgresql://kms:p%40ss@db:5432/kms?sslmode=no-verify&sslrootcert=/other&pgbouncer=true', '&pgbouncer=true'],
])('an authority that is named by a file wins over %s', (uri, kept) => {
  const { DB_CONNECTION_URI, REDIS_URL } = readConfig({
    ...secrets,
    ...{ DB_CONNECTION_URI: uri, DB_CA_FILE: '/etc/ca.crt' },
    ...{ REDIS_URL: 'rediss://:p%40ss@cache:6380', REDIS_CA_FILE: '/etc/ca.crt' },
  });
  const { searchParams, password } = new URL(DB_CONNECTION_URI!);
  expect({ ...Object.fromEntries(searchParams), password }).toEqual({
    ...{ sslmode: 'verify-full', sslrootcert: '/etc/ca.crt', password: 'p%40ss' },
    ...Object.fromEntries(new URLSearchParams(kept)),
  });
  expect(REDIS_URL).toBe('rediss://:p%40ss@cache:6380?sslrootcert=%2Fetc%2Fca.crt');
});
