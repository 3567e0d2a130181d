import { z } from 'zod';
import { parseAuthSecret, parseRootKey } from '../keys/index.ts';
import { postgresWith, redisWith } from './authorities.ts';
import { parseNetwork } from './http/trusted-proxies.ts';
import { parseLimits } from './limits/classes.ts';
import { AllowList } from './outbound/allow-list.ts';

/** Everything the server can be told, from its environment. Checked whole at start; a problem never shows the value. */

const flag = z
  .enum(['true', 'false', ''])
  .optional()
  .transform((word) => word === 'true');

const url = (protocols: RegExp, example: string) =>
  z
    .string()
    .trim()
    .refine((text) => URL.canParse(text) && protocols.test(text), `must be a URL such as ${example}`);

const port = z.coerce.number({ error: 'must be a port number' }).int().min(0).max(65_535);

const file = z.string().trim().min(1).optional();

/** Words between commas. */
const words = z.string().transform((text) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== ''),
);

/** A text whose parser explains what is wrong without repeating it. */
const explained = <Value>(parse: (text: string) => Value, unset?: string) =>
  z.string(unset === undefined ? {} : { error: unset }).transform((text, context): Value => {
    try {
      return parse(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
      return z.NEVER;
    }
  });

const key = <Key>(parse: (text: string) => Key) => explained(parse, 'is not set; `kms-bootstrap init` makes it');

/** The variables; a test keeps docs/configuration.md equal to them. */
export const Environment = z.object({
  ROOT_ENCRYPTION_KEY: key(parseRootKey).describe(
    '256 bits in hex or base64; wraps every project key (HIP-27, "Encryption")',
  ),
  AUTH_SECRET: key(parseAuthSecret).describe('signs access tokens and proofs of kms-secrets; at least 32 bytes'),
  DB_CONNECTION_URI: url(/^postgres(ql)?:\/\//, 'postgresql://user:password@host:5432/kms')
    .optional()
    .describe('the database; unset: an embedded Postgres in KMS_DATA_DIR'),
  REDIS_URL: url(/^rediss?:\/\//, 'redis://host:6379')
    .optional()
    .describe('where replicas share the counts of limits; it may die'),
  ROOT_ENCRYPTION_KEY_PREVIOUS: key(parseRootKey)
    .optional()
    .describe('the root key before a rotation, until `kms-server keys rotate-root` is done'),
  AUTH_SECRET_PREVIOUS: key(parseAuthSecret)
    .optional()
    .describe('the AUTH_SECRET before this one: its tokens and proofs are accepted too'),
  PORT: port.default(8080).describe('the port to listen on; 0 takes a free one'),
  HOST: z.string().trim().min(1).default('127.0.0.1').describe('the address to listen on'),
  TLS_CERT_FILE: file.describe('certificate that the server itself speaks TLS with, 1.3 only; unset: plain HTTP'),
  TLS_KEY_FILE: file.describe('its private key'),
  DB_CA_FILE: file.describe('authority of Postgres, which is then spoken to as by `sslmode=verify-full`'),
  REDIS_CA_FILE: file.describe('authority of Redis, whose URL is then `rediss://…`'),
  KMS_DATA_DIR: z.string().min(1).default('.kms').describe('folder of the embedded Postgres'),
  SITE_URL: url(/^https?:\/\//, 'https://kms.hanzo.ai')
    .optional()
    .describe('where people reach this server; links and single sign-on begin with it'),
  KMS_SSO_INSTANCE_ADMINS: flag.describe('let admins of the instance in by single sign-on, powers and all'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('how much is logged, as JSON lines on standard output'),
  KMS_DRAIN_SECONDS: z.coerce
    .number({ error: 'must be a number of seconds' })
    .min(0)
    .max(300)
    .default(0)
    .describe('how long to go on serving, as not ready, after the signal to stop'),
  KMS_TRUSTED_PROXIES: words
    .refine(
      (networks) => networks.every((network) => parseNetwork(network) !== undefined),
      'must be addresses or networks such as 10.0.0.0/8, between commas; not one of everybody (/0)',
    )
    .optional()
    .describe('whose forwarded header says where a request came from'),
  KMS_FORWARDED_HEADER: z
    .enum(['x-forwarded-for', 'forwarded'])
    .default('x-forwarded-for')
    .describe('the header that the trusted proxies write; the other one is not read'),
  KMS_RATE_LIMITS: explained(parseLimits)
    .optional()
    .describe('requests a minute that differ from the defaults, by class, such as auth=120,public=off; or off'),
  KMS_METRICS_PORT: port.optional().describe('the port of the metrics; unset: there is none'),
  KMS_METRICS_HOST: z.string().trim().min(1).default('127.0.0.1').describe('the address of the metrics'),
  KMS_CONNECTIONS_PER_ADDRESS: z.coerce
    .number({ error: 'must be a number of connections' })
    .int()
    .min(1)
    .optional()
    .describe('connections at once from one address that is no trusted proxy'),
  KMS_ALLOW_UNPROVEN_BOOTSTRAP: flag.describe(
    'accept the first-admin call without a proof of kms-secrets; for trials only',
  ),
  KMS_AUDIT_SINK: z
    .string()
    .trim()
    .refine(
      (text) => /^file:\/./.test(text) || (URL.canParse(text) && /^https?:/.test(text)),
      'must be file:/path/of/a/file or a URL such as https://sink.example/heads',
    )
    .optional()
    .describe('where the signed heads of the audit go, out of the reach of the database; unset: the log'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(/^https?:\/\//, 'http://127.0.0.1:4318')
    .optional()
    .describe('the collector that traces are sent to, by OTLP over HTTP; unset: there are none'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number({ error: 'must be a number from 0 to 1' })
    .min(0)
    .max(1)
    .default(1)
    .describe('how many of the traces that begin here are sent, from 0 to 1'),
  KMS_OUTBOUND_ALLOW: z
    .string()
    .transform((text, context) => {
      const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
      try {
        new AllowList(entries);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
      }
      return entries;
    })
    .optional()
    .describe('networks, addresses and hosts inside of your network that the server may call'),
});

export type Config = z.infer<typeof Environment>;

/** The configuration is wrong; the message lists every problem, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the configuration. An empty variable counts as unset, as `envFrom` with an empty key means. */
export function readConfig(environment: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = Environment.safeParse(given);
  const problems = problemsOfFiles(given);
  if (result.success && problems.length === 0) return withAuthorities(result.data);
  for (const { path, message } of result.error?.issues ?? [])
    problems.push(`${path.join('.')} ${message.replace(`${String(path[0])} `, '')}`);
  throw new ConfigError(problems.join('\n'));
}

/** What is wrong with variables that need each other, a line each. */
function problemsOfFiles(given: NodeJS.ProcessEnv): string[] {
  const { TLS_CERT_FILE, TLS_KEY_FILE, DB_CA_FILE, DB_CONNECTION_URI, REDIS_CA_FILE, REDIS_URL } = given;
  return [
    ...(TLS_CERT_FILE && !TLS_KEY_FILE ? ['TLS_KEY_FILE is not set, and TLS_CERT_FILE is: they belong together'] : []),
    ...(TLS_KEY_FILE && !TLS_CERT_FILE ? ['TLS_CERT_FILE is not set, and TLS_KEY_FILE is: they belong together'] : []),
    ...(DB_CA_FILE && !DB_CONNECTION_URI ? ['DB_CA_FILE is of no use: DB_CONNECTION_URI is not set'] : []),
    ...(REDIS_CA_FILE && REDIS_URL && !/^\s*rediss:/.test(REDIS_URL)
      ? ['REDIS_URL must begin with rediss://: REDIS_CA_FILE names its authority']
      : []),
  ];
}

function withAuthorities(config: Config): Config {
  const { DB_CA_FILE, DB_CONNECTION_URI, REDIS_CA_FILE, REDIS_URL } = config;
  return {
    ...config,
    ...(DB_CA_FILE && DB_CONNECTION_URI && { DB_CONNECTION_URI: postgresWith(DB_CA_FILE, DB_CONNECTION_URI) }),
    ...(REDIS_CA_FILE && REDIS_URL && { REDIS_URL: redisWith(REDIS_CA_FILE, REDIS_URL) }),
  };
}
