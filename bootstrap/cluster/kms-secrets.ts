import { randomBytes } from 'node:crypto';
import { KeyFormatError, parseAuthSecret } from '../../keys/index.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { findObject } from '../../operator/kubernetes/find-object.ts';
import { type Secret, Secrets } from '../../operator/kubernetes/resources.ts';
import type { KmsSecrets } from '../init/env-file.ts';
import { type Addresses, fingerprintOf, kmsSecretsObject, makeKmsSecrets } from '../init/kms-secrets.ts';
import { UserError } from '../problem.ts';
import { type DryRun, dataOf, makeSecret, type NamespacedPlace, placeOf, textsOf } from './secrets.ts';

/** Secrets with the passwords of the bundled Postgres and Redis, which both they and `kms-secrets` are made of. */
export const POSTGRES_SECRET = 'kms-postgres-auth';
export const REDIS_SECRET = 'kms-redis-auth';

/** How `kms-secrets` comes into a cluster. */
export interface ClusterSecretsOptions {
  readonly namespace: string;
  /** @default 'kms-secrets' */
  readonly name?: string;
  /** Where database and Redis are, but for those that are bundled. */
  readonly addresses: Addresses;
  readonly bundledPostgres: boolean;
  readonly bundledRedis: boolean;
  /** Whether Kubernetes refuses to change it. */
  readonly immutable: boolean;
  /** Only tells what would be done: after the API server was asked whether it would, or without asking. @default - it is done */
  readonly dryRun?: DryRun;
}

/** A Secret, and whether this run made it. */
interface SecretState {
  readonly namespace: string;
  readonly name: string;
  readonly state: 'created' | 'kept';
}

/** What came of it. */
export interface ClusterSecrets {
  /** The passwords first, as they were made. */
  readonly secrets: readonly SecretState[];
  /** Fingerprint of the root key that is there now. */
  readonly rootKey: string;
  /** What is there now. */
  readonly values: KmsSecrets;
  /** What is there and not as this run was told to make it; by the names of variables. */
  readonly differs: readonly string[];
}

/**
 * Sees to it that `kms-secrets` is in the cluster, and never changes one that is. Passwords of bundled parts are made first and read
 * again, so that a run that goes on after a broken one builds upon them; of two runs at once one makes each Secret, and
 * the other goes on with what is there.
 *
 * @throws UserError when one is there that KMS cannot run with
 */
export async function ensureKmsSecrets(api: KubernetesApi, options: ClusterSecretsOptions): Promise<ClusterSecrets> {
  const { namespace, name = 'kms-secrets', dryRun, immutable } = options;
  const place = { namespace, name };
  const found = await findObject(api, Secrets, place);
  if (found) return kept(api, options, place, found);
  checkAddresses(options);
  const made: SecretState[] = [];
  const passwordOf = async (secret: string, username?: string): Promise<string> => {
    const of = { namespace, name: secret };
    const password = randomBytes(24).toString('hex');
    const isNew = await makeSecret(api, passwordSecret(of, { username, password }), dryRun);
    made.push({ ...of, state: isNew ? 'created' : 'kept' });
    return isNew && dryRun ? password : readPassword(api, of);
  };
  const DB_CONNECTION_URI = options.bundledPostgres
    ? postgresUri(namespace, await passwordOf(POSTGRES_SECRET, 'kms'))
    : options.addresses.DB_CONNECTION_URI;
  const REDIS_URL = options.bundledRedis
    ? redisUrl(namespace, await passwordOf(REDIS_SECRET))
    : options.addresses.REDIS_URL;
  const values = makeKmsSecrets({ DB_CONNECTION_URI, REDIS_URL });
  const isNew = await makeSecret(api, kmsSecretsObject(values, { namespace, name, immutable }), dryRun);
  if (!isNew) {
    // Somebody else was faster by a moment: theirs counts.
    const theirs = await findObject(api, Secrets, place);
    if (!theirs) throw new UserError(`the Secret ${placeOf(place)} came and went`, 'run the same command again');
    const { secrets, ...rest } = await kept(api, options, place, theirs);
    return { ...rest, secrets: [...made, ...secrets.filter((one) => made.every((other) => other.name !== one.name))] };
  }
  return {
    secrets: [...made, { ...place, state: 'created' }],
    rootKey: fingerprintOf(values),
    values,
    differs: [],
  };
}

function checkAddresses({ addresses, bundledPostgres, bundledRedis }: ClusterSecretsOptions): void {
  if (bundledPostgres && addresses.DB_CONNECTION_URI)
    throw new UserError(
      'DB_CONNECTION_URI is set, and --bundled-postgres makes one',
      'unset it, or leave out --bundled-postgres',
    );
  if (bundledRedis && addresses.REDIS_URL)
    throw new UserError('REDIS_URL is set, and --bundled-redis makes one', 'unset it, or leave out --bundled-redis');
  if (!bundledPostgres && !addresses.DB_CONNECTION_URI)
    throw new UserError(
      'DB_CONNECTION_URI is not set; the replicas in a cluster share one database',
      'set it in the environment, write DB_CONNECTION_URI=… to standard input with --addresses-from-stdin, or use --bundled-postgres',
    );
}

/** One that is there: checked for what KMS needs, and the passwords beside it brought back where they are gone. */
async function kept(
  api: KubernetesApi,
  options: ClusterSecretsOptions,
  place: NamespacedPlace,
  found: Secret,
): Promise<ClusterSecrets> {
  const values = readKmsSecrets(found, place);
  const { namespace, addresses, bundledPostgres, bundledRedis, dryRun } = options;
  const secrets: SecretState[] = [];
  const bringBack = async (name: string, password: string | undefined, username?: string) => {
    if (password === undefined) return;
    const isNew = await makeSecret(api, passwordSecret({ namespace, name }, { username, password }), dryRun);
    secrets.push({ namespace, name, state: isNew ? 'created' : 'kept' });
  };
  if (bundledPostgres)
    await bringBack(
      POSTGRES_SECRET,
      passwordIn(values.DB_CONNECTION_URI, (it) => postgresUri(namespace, it)),
      'kms',
    );
  if (bundledRedis)
    await bringBack(
      REDIS_SECRET,
      passwordIn(values.REDIS_URL, (it) => redisUrl(namespace, it)),
    );
  const isAsTold = (name: 'DB_CONNECTION_URI' | 'REDIS_URL', bundled: boolean, uri: (password: string) => string) => {
    if (bundled) return passwordIn(values[name], uri) !== undefined;
    return !addresses[name] || addresses[name] === values[name];
  };
  return {
    secrets: [...secrets, { ...place, state: 'kept' }],
    rootKey: fingerprintOf(values),
    values,
    differs: [
      ...(isAsTold('DB_CONNECTION_URI', bundledPostgres, (it) => postgresUri(namespace, it))
        ? []
        : ['DB_CONNECTION_URI']),
      ...(isAsTold('REDIS_URL', bundledRedis, (it) => redisUrl(namespace, it)) ? [] : ['REDIS_URL']),
    ],
  };
}

/** @throws UserError when it is none that KMS can run with */
export function readKmsSecrets(found: Secret, place: NamespacedPlace): KmsSecrets {
  const { ROOT_ENCRYPTION_KEY, AUTH_SECRET, DB_CONNECTION_URI, REDIS_URL } = textsOf(found);
  const missing = Object.entries({ ROOT_ENCRYPTION_KEY, AUTH_SECRET, DB_CONNECTION_URI }).flatMap(([name, value]) =>
    value ? [] : [name],
  );
  if (!ROOT_ENCRYPTION_KEY || !AUTH_SECRET || !DB_CONNECTION_URI)
    throw new UserError(
      `the Secret ${placeOf(place)} is there and has no ${missing.join(', no ')}`,
      'it is left as it is: complete it; or, if nothing was ever stored with its key, delete it and run this again',
    );
  const values = { ROOT_ENCRYPTION_KEY, AUTH_SECRET, DB_CONNECTION_URI, REDIS_URL };
  try {
    fingerprintOf(values);
    parseAuthSecret(AUTH_SECRET);
  } catch (error) {
    if (!(error instanceof KeyFormatError)) throw error;
    throw new UserError(`the Secret ${placeOf(place)} is left as it is, and KMS cannot run with it: ${error.message}`);
  }
  return values;
}

const postgresUri = (namespace: string, password: string) =>
  `postgresql://kms:${encodeURIComponent(password)}@kms-postgres.${namespace}.svc:5432/kms`;
const redisUrl = (namespace: string, password: string) =>
  `redis://:${encodeURIComponent(password)}@kms-redis.${namespace}.svc:6379`;

/** The password in an address, when the address is one of a bundled part. */
function passwordIn(address: string | undefined, uri: (password: string) => string): string | undefined {
  if (!address || !URL.canParse(address)) return undefined;
  const password = decodeURIComponent(new URL(address).password);
  return uri(password) === address ? password : undefined;
}

function passwordSecret(place: NamespacedPlace, texts: Record<string, string | undefined>): Secret {
  return {
    metadata: {
      ...place,
      labels: {
        'app.kubernetes.io/name': place.name.replace(/-auth$/, ''),
        'app.kubernetes.io/part-of': 'hanzo-universe',
      },
    },
    type: 'Opaque',
    data: dataOf(texts),
  };
}

async function readPassword(api: KubernetesApi, place: NamespacedPlace): Promise<string> {
  const found = await findObject(api, Secrets, place);
  const { password } = found ? textsOf(found) : {};
  if (password) return password;
  throw new UserError(
    `the Secret ${placeOf(place)} is there and has no password`,
    'complete it, or delete it if no database was made with it, and run this again',
  );
}
