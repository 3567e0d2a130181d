import type { FastifyInstance } from 'fastify';
import type { FolderAddress } from './address.ts';
import type { Look, LookOptions } from './look.ts';
import { type KmsOptions, openSession } from './open.ts';
import { reachOf } from './reach.ts';
import { valuesOf } from './values.ts';
import { watchLooks } from './watch.ts';

/**
 * The names that `app.kms.env` has. `kms types --schema-only` writes them, and a project says so once:
 *
 * @example
 * import type { Environment } from './kms-env.js';
 * declare module '@hanzo/kms/fastify' {
 *   interface KmsEnvironment extends Environment {}
 * }
 */
// biome-ignore lint/suspicious/noEmptyInterface: a project adds its names
export interface KmsEnvironment {}

/** What is known of the names: those of the project, or nothing. */
export type Values = keyof KmsEnvironment extends never ? Readonly<Record<string, string>> : Readonly<KmsEnvironment>;

declare module 'fastify' {
  interface FastifyInstance {
    /** The secrets of a folder of KMS, as they are now. */
    readonly kms: LiveSecrets;
  }
}

/** Secrets that follow what KMS has. */
export interface LiveSecrets {
  /** The values, by name. Another object after a change: read it when it is needed, and keep no copy. */
  readonly env: Values;
  /** Told after each change, with the names that differ. What it throws is logged. */
  onChange(listener: (env: Values, names: readonly string[]) => void | Promise<void>): void;
}

/** What to load, and how. */
export interface KmsPluginOptions extends Pick<LookOptions, 'recursive' | 'imports' | 'personal'> {
  /** The project's slug. */
  readonly project: string;
  /** The environment's slug. */
  readonly environment: string;
  /** The folder. @default "/" */
  readonly path?: string;
  /** Where KMS answers. @default - KMS_URL */
  readonly url?: string;
  /** Who asks. @default - KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET */
  readonly credentials?: KmsOptions['credentials'];
  /** Holds what is loaded to a schema, such as `Env` of `kms types`: the app does not start without a name, and a change that lacks one is not taken. */
  readonly schema?: { parse(values: unknown): unknown };
  /** Whether changes are followed. @default true */
  readonly watch?: boolean;
  /** Longest time between two looks, in milliseconds. @default 30000 */
  readonly pollMs?: number;
}

/**
 * A Fastify plugin: `app.kms.env` has the secrets of a folder before the app is ready, and follows their changes until it closes.
 *
 * @example
 * await app.register(kms, { project: 'gateway', environment: 'prod', schema: Env });
 * const pool = connect(app.kms.env.DATABASE_URL);
 */
export async function kms(app: FastifyInstance, options: KmsPluginOptions): Promise<void> {
  const { project: projectSlug, environment, path: secretPath = '/', recursive, imports, personal, pollMs } = options;
  const at: FolderAddress = { projectSlug, environment, secretPath };
  const closing = new AbortController();
  const accept = (look: Look): Values => {
    const values = Object.freeze(Object.fromEntries(valuesOf(look)));
    hold(options.schema, values);
    return values as Values;
  };
  const looks = watchLooks(openSession(reachOf(options)), at, {
    ...{ recursive: recursive === true, imports: imports !== false, personal: personal === true },
    ...(pollMs === undefined ? {} : { pollMs }),
    signal: closing.signal,
    troubled: (error) => app.log.warn({ error: messageOf(error) }, 'changes of secrets cannot be followed for now'),
  });
  const first = await looks.next();
  if (first.done) throw new Error('KMS answered nothing');
  let env = accept(first.value);
  const listeners: Parameters<LiveSecrets['onChange']>[0][] = [];
  app.decorate('kms', {
    get env() {
      return env;
    },
    onChange: (listener: (typeof listeners)[number]) => void listeners.push(listener),
  });
  app.addHook('onClose', async () => closing.abort());
  if (options.watch === false) return closing.abort();

  const follow = async () => {
    for await (const look of looks) {
      try {
        const [before, after] = [env, accept(look)] as [Record<string, string>, Record<string, string>];
        const all = new Set([...Object.keys(before), ...Object.keys(after)]);
        const names = [...all].filter((name) => before[name] !== after[name]).toSorted();
        if (names.length === 0) continue;
        env = after as Values;
        app.log.info({ changed: names }, 'secrets changed');
        for (const listener of listeners) await listener(env, names);
      } catch (error) {
        app.log.error({ error: messageOf(error) }, 'a change of secrets was not taken, or not dealt with');
      }
    }
  };
  follow().catch((error) => app.log.error({ error: messageOf(error) }, 'changes of secrets are no longer followed'));
}

// What fastify-plugin does: the decorator is for the app that registers it, not for a part of its own.
Object.assign(kms, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: '@hanzo/kms',
  [Symbol.for('plugin-meta')]: { fastify: '5.x', name: '@hanzo/kms' },
});

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** @throws Error that says which names are wrong: what a schema itself says may hold a value */
function hold(schema: KmsPluginOptions['schema'], values: unknown): void {
  try {
    schema?.parse(values);
  } catch (error) {
    const { issues } = Object(error) as { issues?: { path: PropertyKey[] }[] };
    const names = Array.isArray(issues) ? issues.map(({ path }) => path.join('.')).join(', ') : 'see its parse()';
    throw new Error(`the secrets do not fit the schema: ${names}`);
  }
}
