import { hostname } from 'node:os';
import { z } from 'zod';
import { SERVICE_ACCOUNT_FOLDER } from './kubernetes/service-account.ts';

const names = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
  );

const variables = z.object({
  POD_NAMESPACE: z.string().min(1).default('hanzo').describe('namespace of the operator: its Lease is there'),
  POD_NAME: z.string().min(1).default(hostname()).describe('name among the replicas'),
  SERVICE_ACCOUNT_FOLDER: z
    .string()
    .default(SERVICE_ACCOUNT_FOLDER)
    .describe("the ServiceAccount's token and ca.crt, used when there is no kubeconfig"),
  WATCH_NAMESPACES: names.describe('namespaces whose KMSSecrets are kept, with commas; empty: all'),
  SECRETS_BY_NAME: names.describe(
    'namespaces whose Secrets are watched one by one, since a Role names each; with commas',
  ),
  KMS_HOSTS: names
    .pipe(z.array(z.url({ protocol: /^https?$/, error: 'not an address such as https://kms.hanzo.ai' })))
    .describe('servers that client secrets are sent to, with commas; empty: any that a KMSSecret names'),
  HOST: z.string().default('0.0.0.0').describe('address of health and metrics'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8081).describe('port of health and metrics'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('least level that is logged'),
  AUTO_RELOAD: z
    .enum(['true', 'false'])
    .default('false')
    .transform((word) => word === 'true')
    .describe('restart the workloads that ask for it by an annotation; needs the right to'),
  CONCURRENCY: z.coerce.number().int().min(1).max(256).default(16).describe('KMSSecrets that are worked on at once'),
});

/** A line for each variable. */
export const describeVariables = (): string =>
  Object.entries(variables.shape)
    .map(([name, { description }]) => `  ${name.padEnd(22)} ${description}\n`)
    .join('');

/** What the operator is told by its environment (docs/operator.md). */
export type OperatorConfig = z.infer<typeof variables>;

/** @throws Error that names every wrong variable, in one line */
export function readConfig(environment: NodeJS.ProcessEnv): OperatorConfig {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = variables.safeParse(present);
  if (parsed.success) return parsed.data;
  throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}
