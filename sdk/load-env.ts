import type { Credentials } from './authentication.ts';
import { Kms } from './kms.ts';
import type { FolderAddress, Look } from './secrets.ts';

/** What to load, and from where. */
export interface LoadOptions {
  /** The project's slug. */
  readonly project: string;
  /** The environment's slug. */
  readonly environment: string;
  /** The folder. @default "/" */
  readonly path?: string;
  /** Where KMS answers. @default - KMS_URL of `env` */
  readonly url?: string;
  /** Who asks. @default - KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET of `env` */
  readonly credentials?: Credentials;
  /** Where the secrets are put, and what names the server. @default - that of this program, where the platform has one */
  readonly env?: Record<string, string | undefined>;
  /** Whether a variable that is set already stays. @default false: what KMS says is what runs */
  readonly keepEnv?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Puts the secrets of a folder into the environment of this process, with imports, and references expanded. Nothing is put there unless all could be read.
 *
 * @returns what was found, by name
 * @throws KmsError when they cannot be had; Error that names a secret whose value the caller may not see
 * @example
 * await loadEnv({ project: 'gateway', environment: 'dev' });
 */
export async function loadEnv(options: LoadOptions): Promise<Record<string, string>> {
  const env = options.env ?? globalThis.process?.env ?? {};
  const url = options.url ?? env.KMS_URL;
  const credentials = options.credentials ?? credentialsOf(env);
  if (!url) throw new TypeError('it is not said where KMS is: set KMS_URL, or give url');
  if (!credentials)
    throw new TypeError('no credentials: set KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET, or give credentials');
  const at: FolderAddress = {
    projectSlug: options.project,
    environment: options.environment,
    secretPath: options.path ?? '/',
  };
  const look = await new Kms({ url, credentials }).secrets.look(at, options.signal ? { signal: options.signal } : {});
  const found = valuesOf(look);
  for (const [name, value] of found) if (!options.keepEnv || env[name] === undefined) env[name] = value;
  return Object.fromEntries(found);
}

/** A folder's own secrets win over imported ones, and of two imports the later, as everywhere in KMS. */
function valuesOf(look: Look | undefined): Map<string, string> {
  const secrets = [...(look?.imports.flatMap((through) => through.secrets) ?? []), ...(look?.secrets ?? [])];
  const chosen = new Map(secrets.filter(({ type }) => type === 'shared').map((secret) => [secret.secretKey, secret]));
  const hidden = [...chosen.values()].filter(({ secretValueHidden }) => secretValueHidden);
  if (hidden.length > 0)
    throw new Error(
      `these may be known of, and their values not read: ${hidden.map((each) => each.secretKey).join(', ')}`,
    );
  return new Map([...chosen].map(([name, { secretValue }]) => [name, secretValue]));
}

function credentialsOf(env: Record<string, string | undefined>): Credentials | undefined {
  if (env.KMS_TOKEN) return { token: env.KMS_TOKEN };
  const { KMS_CLIENT_ID: clientId, KMS_CLIENT_SECRET: clientSecret } = env;
  return clientId && clientSecret ? { clientId, clientSecret } : undefined;
}
