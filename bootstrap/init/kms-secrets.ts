import { randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import { parseRootKey, rootFingerprint } from '../../keys/index.ts';
import { UserError } from '../problem.ts';
import type { KmsSecrets } from './env-file.ts';

/** Where the database and Redis are; both hold passwords, so they never come from a command line. */
export interface Addresses {
  readonly DB_CONNECTION_URI?: string | undefined;
  readonly REDIS_URL?: string | undefined;
}

/** New keys from the system's random source, 256 bits each, with the addresses that were given. */
export function makeKmsSecrets(addresses: Addresses): KmsSecrets {
  return {
    ROOT_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    AUTH_SECRET: randomBytes(32).toString('base64'),
    ...(addresses.DB_CONNECTION_URI
      ? { DB_CONNECTION_URI: checked('DB_CONNECTION_URI', addresses.DB_CONNECTION_URI) }
      : {}),
    ...(addresses.REDIS_URL ? { REDIS_URL: checked('REDIS_URL', addresses.REDIS_URL) } : {}),
  };
}

const FORMS = {
  DB_CONNECTION_URI: { protocols: ['postgres:', 'postgresql:'], example: 'postgresql://user:password@host:5432/kms' },
  REDIS_URL: { protocols: ['redis:', 'rediss:'], example: 'redis://host:6379' },
};

function checked(name: keyof typeof FORMS, text: string): string {
  const { protocols, example } = FORMS[name];
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol)) {
    throw new UserError(`${name} is not an address such as ${example}`);
  }
  // These end or expand a value in one reader of env files or another.
  if (/[\s#"'`\\$]/.test(text)) {
    throw new UserError(
      `${name} holds a character that env files and shells read differently`,
      'percent-encode it in the address',
    );
  }
  return text;
}

/** The name by which people tell root keys apart; not a secret. */
export const fingerprintOf = (secrets: KmsSecrets) => rootFingerprint(parseRootKey(secrets.ROOT_ENCRYPTION_KEY));

/**
 * The Kubernetes Secret `kms-secrets`, as YAML. It is immutable: a second `init | kubectl apply -f -` is then refused by the API
 * server, where it would otherwise replace the root key of a live database, and every secret in it would be lost.
 * `data` and not `stringData`, which some tools see as changed at every run.
 */
export function kmsSecretsManifest(secrets: KmsSecrets, options: { namespace: string; immutable: boolean }): string {
  return stringify({ apiVersion: 'v1', kind: 'Secret', ...kmsSecretsObject(secrets, options) });
}

/** The Secret itself, without its kind. */
export function kmsSecretsObject(
  secrets: KmsSecrets,
  { namespace, name = 'kms-secrets', immutable }: { namespace: string; name?: string; immutable: boolean },
) {
  const given = Object.entries(secrets).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    metadata: {
      name,
      namespace,
      labels: { 'app.kubernetes.io/name': 'kms', 'app.kubernetes.io/part-of': 'hanzo-universe' },
      annotations: { 'kms.hanzo.ai/root-key-fingerprint': fingerprintOf(secrets) },
    },
    type: 'Opaque',
    ...(immutable ? { immutable } : {}),
    data: Object.fromEntries(given.map(([variable, value]) => [variable, Buffer.from(value).toString('base64')])),
  };
}
