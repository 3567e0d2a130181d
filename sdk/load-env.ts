import type { Credentials } from './authentication.ts';
import { decidesCode } from './loaders.ts';
import { lookAt } from './look.ts';
import { openSession } from './open.ts';
import { reachOf } from './reach.ts';
import { valuesOf } from './values.ts';

/** What to load, and from where. */
export interface LoadOptions {
  /** The project's slug. */
  readonly project: string;
  /** The environment's slug. */
  readonly environment: string;
  /** The folder. @default "/" */
  readonly path?: string;
  /** With the folders below. A name in two of them is an error. @default false */
  readonly recursive?: boolean;
  /** With what the folder imports. @default true */
  readonly imports?: boolean;
  /** A person's own values in place of the shared ones. @default false */
  readonly personal?: boolean;
  /** Where KMS answers. @default - KMS_URL of `env` */
  readonly url?: string;
  /** Who asks. @default - KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET of `env` */
  readonly credentials?: Credentials;
  /** Where the secrets are put, and what names the server. @default - that of this program, where the platform has one */
  readonly env?: Record<string, string | undefined>;
  /** Whether a variable that is set already stays. @default false: what KMS says is what runs */
  readonly keepEnv?: boolean;
  /**
   * Whether `PATH`, `LD_PRELOAD`, `NODE_OPTIONS` and their like are put there too: who may write a secret could run code in whatever this
   * program starts.
   * @default false
   */
  readonly allowLoaders?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Puts the secrets of a folder into the environment of this process, with imports, and references expanded. Nothing is put there unless all could be read.
 *
 * @returns what was found, by name
 * @throws KmsError when they cannot be had, ValuesHidden or NamesCollide when they cannot be handed over
 * @example
 * await loadEnv({ project: 'gateway', environment: 'dev' });
 */
export async function loadEnv(options: LoadOptions): Promise<Record<string, string>> {
  const env = options.env ?? globalThis.process?.env ?? {};
  const { project, environment, path = '/', recursive = false, imports = true, personal = false, signal } = options;
  const look = await lookAt(
    openSession(reachOf(options, env)),
    { projectSlug: project, environment, secretPath: path },
    { recursive, imports, personal, ...(signal ? { signal } : {}) },
  );
  const found = look ? valuesOf(look) : new Map<string, string>();
  for (const [name, value] of found) {
    const isKept = options.keepEnv === true && env[name] !== undefined;
    if (!isKept && (options.allowLoaders === true || !decidesCode(name))) env[name] = value;
  }
  return Object.fromEntries(found);
}
