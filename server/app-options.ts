import type { FastifyInstance } from 'fastify';
import type { AuthSecret, RootKey } from '../keys/index.ts';
import type { EventsOptions } from './events/service.ts';
import type { StreamOptions } from './events/stream.ts';
import type { ConnectionLimits } from './http/connections.ts';
import type { TlsFiles } from './http/tls.ts';
import type { TrustedProxiesOptions } from './http/trusted-proxies.ts';
import type { Limits as LimitsPerMinute } from './limits/classes.ts';
import type { ReplicasOptions } from './replicas/replicas.ts';
import type { TracingOptions } from './tracing/tracing.ts';

/** What the server is made of and with: `createApp` takes it. */
export interface AppOptions {
  /** Connection string of a migrated database. */
  readonly databaseUri: string;
  /** Wraps every other key. The database opens under the one that it was made with, and no other. */
  readonly rootKey: RootKey;
  /** The root key that a rotation comes from. */
  readonly previousRootKey?: RootKey | undefined;
  /** Signs access tokens, and is what callers of the first run prove to know. */
  readonly authSecret: AuthSecret;
  /** Its tokens and proofs are accepted too. */
  readonly previousAuthSecret?: AuthSecret | undefined;
  /** Where replicas share what they count. @default each counts for itself */
  readonly redisUrl?: string | undefined;
  /** Requests a minute, by class. @default limits/classes.ts */
  readonly limits?: LimitsPerMinute | undefined;
  /** Accept the first-admin call without a proof of kms-secrets. @default false */
  readonly allowUnprovenBootstrap?: boolean;
  /** Where people reach this server; links and single sign-on begin with it. @default none */
  readonly siteUrl?: string | undefined;
  /** Whether single sign-on carries the powers of an instance admin. @default false */
  readonly ssoInstanceAdmins?: boolean;
  /** @default 'silent' */
  readonly logLevel?: string;
  /** What may be called beyond the open internet; see outbound/allow-list.ts. @default [] */
  readonly outboundAllow?: readonly string[] | undefined;
  /** Where log lines go. @default standard output */
  readonly logStream?: { write(line: string): void };
  /** Whose forwarded headers say where a request came from. @default nobody's: the connection tells */
  readonly trustedProxies?: TrustedProxiesOptions | undefined;
  /** How often this replica reports what it holds; tests report more often. */
  readonly replicas?: Pick<ReplicasOptions, 'everyMs' | 'name'>;
  /** Bounds of event streams; tests make them small. */
  readonly events?: Partial<Pick<EventsOptions, 'checkEveryMs' | 'closeWithinMs' | 'longestMs' | 'streams'>> &
    StreamOptions;
  /** How long and how many connections may be. @default http/connections.ts */
  readonly connections?: ConnectionLimits | undefined;
  /** The certificate that the server itself speaks TLS with. @default plain HTTP */
  readonly tls?: TlsFiles | undefined;
  /** Runs before any route is there; tests watch every answer from here. */
  readonly prepare?: (app: FastifyInstance) => void;
  /** Bytes of answers held in memory; 0 holds none. @default 64 MiB */
  readonly answersLimit?: number | undefined;
  /** Where the signed heads of the audit go; see audit/sink.ts. @default the log */
  readonly auditSink?: string | undefined;
  /** Where traces go. @default there are none, and what makes them is not loaded */
  readonly tracing?: TracingOptions | undefined;
  /** How often the audit is sealed and sent on, in milliseconds; 0: never, for tests. @default 1000 */
  readonly sealEveryMs?: number | undefined;
  /** Runs between the check and the fill of a read; tests pause here. */
  readonly beforeFill?: () => Promise<void>;
  /** Runs before an answer with imports or references is admitted; tests pause here. */
  readonly beforeAdmission?: () => Promise<void>;
}
