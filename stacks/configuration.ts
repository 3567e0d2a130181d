import * as pulumi from '@pulumi/pulumi';
import type { z } from 'zod';
import { Installation, type InstallationProps } from '../contracts/index.ts';
import type { KmsManagedSecrets } from './managed-secrets.ts';
import { StackSettings } from './settings.ts';

export interface StackConfiguration {
  readonly stack: Omit<z.output<typeof StackSettings>, 'secrets'>;
  readonly installation: InstallationProps;
  /** @default - Pulumi holds none */
  readonly secrets: KmsManagedSecrets | undefined;
}

type Values = Record<string, unknown>;

/**
 * Reads the configuration of a stack, whole: a line for each thing that is wrong, and below it the one that mends it.
 *
 * @param defaults what holds where the configuration is silent; objects are merged, lists replaced
 * @throws RunError with all of them, and never with a value
 */
export function readConfiguration(defaults: InstallationProps = {}): StackConfiguration {
  const config = new pulumi.Config();
  const shapes = { ...Installation.shape, ...StackSettings.shape };
  const given: Values = {};
  const problems: string[] = [];
  for (const key of keysOf(config.name)) {
    const raw = pulumi.runtime.allConfig()[`${config.name}:${key}`]!;
    if (!(key in shapes)) {
      problems.push(`${key}: is no setting; it has ${Object.keys(shapes).join(', ')}\n    pulumi config rm ${key}`);
      continue;
    }
    given[key] = readValue(raw, shapes[key as keyof typeof shapes]);
    const isSecret = isConfigSecret(`${config.name}:${key}`);
    if (key === 'secrets' && !isSecret)
      problems.push(`secrets: is kept in the clear\n    pulumi config set --secret --path secrets.rootEncryptionKey`);
    if (key !== 'secrets' && isSecret)
      problems.push(
        `${key}: holds a secret, which manifests, previews and the state would show; secrets belong into kms-secrets\n    pulumi config rm ${key}`,
      );
  }
  const own = pick(given, (key) => key in StackSettings.shape);
  const installation = merged(
    defaults as Values,
    pick(given, (key) => key in Installation.shape),
  );
  const stack = StackSettings.safeParse(own);
  const checked = Installation.safeParse(installation);
  for (const { issues } of [stack.error, checked.error].filter((error) => error !== undefined))
    for (const issue of issues) problems.push(told(issue));
  if (problems.length > 0 || !stack.success) {
    const count = problems.length === 1 ? 'one setting is wrong' : `${problems.length} settings are wrong`;
    throw new pulumi.RunError(`${count}:\n  ${problems.join('\n  ')}`);
  }
  const { secrets, ...rest } = stack.data;
  return { stack: rest, installation: installation as InstallationProps, secrets: secrets && sealed(secrets) };
}

/** From here on no value is in a log, a preview or the state in the clear. */
function sealed(secrets: NonNullable<z.output<typeof StackSettings>['secrets']>): KmsManagedSecrets {
  const { rootEncryptionKey, authSecret, dbConnectionUri, redisUrl } = secrets;
  return {
    rootEncryptionKey: pulumi.secret(rootEncryptionKey),
    authSecret: pulumi.secret(authSecret),
    dbConnectionUri: pulumi.secret(dbConnectionUri),
    ...(redisUrl !== undefined && { redisUrl: pulumi.secret(redisUrl) }),
  };
}

const keysOf = (project: string): string[] =>
  Object.keys(pulumi.runtime.allConfig())
    .filter((name) => name.startsWith(`${project}:`))
    .map((name) => name.slice(project.length + 1))
    .toSorted();

/** What the SDK's own Config asks before it warns; its types leave it out. */
const { isConfigSecret } = pulumi.runtime as unknown as { isConfigSecret(name: string): boolean };

/** Pulumi keeps everything as text: what is no text is written as JSON. A text that only looks like it stays one. */
function readValue(raw: string, schema: z.ZodType): unknown {
  if (schema.safeParse(raw).success) return raw;
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}

const pick = (values: Values, isWanted: (key: string) => boolean): Values =>
  Object.fromEntries(Object.entries(values).filter(([key]) => isWanted(key)));

const isPlain = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function merged(defaults: Values, given: Values): Values {
  const result = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    const before = result[key];
    result[key] = isPlain(before) && isPlain(value) ? merged(before, value) : value;
  }
  return result;
}

/** One problem, and the command that mends it. */
function told(issue: z.core.$ZodIssue): string {
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys : [];
  if (unknown.length > 0)
    return unknown
      .map((key) => pathOf([...issue.path, key]))
      .map((path) => `${path}: is no setting\n    pulumi config rm --path '${path}'`)
      .join('\n  ');
  const path = pathOf(issue.path);
  // A variable that may not be there is not to be given another value.
  if (issue.path[0] === 'environment' && issue.path.length > 1)
    return `${path}: ${issue.message}\n    pulumi config rm --path '${path}'`;
  const secret = issue.path[0] === 'secrets' ? '--secret ' : '';
  return `${path}: ${issue.message}\n    pulumi config set ${secret}--path '${path}'${secret ? '' : ` ${example(issue.path)}`}`;
}

/** As `pulumi config --path` has it. */
const pathOf = (path: readonly PropertyKey[]): string =>
  path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('');

/** The default of a setting, or what stands for a value. */
function example(path: readonly PropertyKey[]): string {
  let value: unknown = Installation.parse({});
  for (const step of path) value = isPlain(value) ? value[String(step)] : undefined;
  return ['string', 'number', 'boolean'].includes(typeof value) && value !== '' ? `'${String(value)}'` : '<value>';
}
