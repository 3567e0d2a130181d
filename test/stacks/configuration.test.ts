import * as pulumi from '@pulumi/pulumi';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { readConfiguration } from '../../stacks/index.ts';

/** What `pulumi config` says, read whole. */

beforeAll(() =>
  pulumi.runtime.setMocks({ newResource: ({ inputs }) => ({ id: '', state: inputs }), call: () => ({}) }),
);
afterEach(() => pulumi.runtime.setAllConfig({}));

function configure(values: Record<string, string>, secrets: readonly string[] = []): void {
  const named = Object.fromEntries(Object.entries(values).map(([key, value]) => [`project:${key}`, value]));
  pulumi.runtime.setAllConfig(
    named,
    secrets.map((key) => `project:${key}`),
  );
}

function problemsOf(values: Record<string, string>, secrets: readonly string[] = []): string {
  configure(values, secrets);
  try {
    readConfiguration();
  } catch (error) {
    expect(error).toBeInstanceOf(pulumi.RunError);
    return (error as Error).message;
  }
  return '';
}

test('nothing said is what everybody has', () => {
  expect(readConfiguration()).toEqual({
    stack: { protect: true, inventoryFile: 'examples/hanzo/kms.yaml', checkSecrets: true },
    installation: {},
    secrets: undefined,
  });
});

test('texts stay texts, and all else is read as what it is', () => {
  configure({
    namespace: '12',
    replicas: '3',
    protect: 'false',
    kubernetesVersion: '1.30',
    ingress: '{"enabled":false}',
    services: '[{"name":"gateway"}]',
    inventoryFile: 'true',
  });
  const { stack, installation } = readConfiguration();
  expect(stack).toMatchObject({ protect: false, inventoryFile: 'true' });
  expect(installation).toEqual({
    ...{ namespace: '12', replicas: 3, kubernetesVersion: '1.30' },
    ...{ ingress: { enabled: false }, services: [{ name: 'gateway' }] },
  });
});

test('objects are merged into the defaults of the program, and lists replace theirs', () => {
  configure({ monitoring: '{"labels":{"team":"platform"}}', services: '[{"name":"flow"}]' });
  const { installation } = readConfiguration({
    monitoring: { enabled: true, labels: { release: 'prometheus' } },
    services: [{ name: 'gateway' }],
  });
  expect(installation).toEqual({
    monitoring: { enabled: true, labels: { release: 'prometheus', team: 'platform' } },
    services: [{ name: 'flow' }],
  });
});

test('configuration of others is nobody’s business', () => {
  pulumi.runtime.setAllConfig({ 'kubernetes:context': 'hanzo-k8s', 'aws:region': 'eu-west-1' });
  expect(readConfiguration().installation).toEqual({});
});

test.each<[string, Record<string, string>, string]>([
  ['an unknown setting', { replica: '2' }, 'pulumi config rm replica'],
  ['an unknown one inside', { tls: '{"on":true}' }, "pulumi config rm --path 'tls.on'"],
  ['another type', { replicas: 'two' }, "pulumi config set --path 'replicas' '2'"],
  ['what is no JSON', { ingress: '{' }, "pulumi config set --path 'ingress' <value>"],
  ['one of a list', { services: '[{"name":"a"},{"name":"B"}]' }, "pulumi config set --path 'services[1].name' <value>"],
  [
    'one that others need',
    { postgres: '{"mode":"cloudnativepg"}' },
    "pulumi config set --path 'postgres.backup' <value>",
  ],
  [
    'a secret in the environment',
    { environment: '{"AUTH_SECRET":"hunter2"}' },
    "pulumi config rm --path 'environment.AUTH_SECRET'",
  ],
])('%s is told with what mends it', (_, values, line) => {
  const told = problemsOf(values);
  expect(told).toContain('one setting is wrong:\n');
  expect(told).toContain(line);
  expect(told).not.toContain('hunter2');
});

const SECRETS = { rootEncryptionKey: 'n33dle-root', authSecret: 'n33dle-auth', dbConnectionUri: 'n33dle-uri' };

test('values of kms-secrets are secret from then on', async () => {
  configure({ secrets: JSON.stringify(SECRETS) }, ['secrets']);
  const { secrets } = readConfiguration();
  for (const value of Object.values(secrets!)) expect(await pulumi.isSecret(value as pulumi.Output<string>)).toBe(true);
  expect(JSON.stringify(readConfiguration().stack)).not.toContain('n33dle');
});

test('values of kms-secrets that are kept in the clear are refused, and not repeated', () => {
  const told = problemsOf({ secrets: JSON.stringify(SECRETS) });
  expect(told).toContain(
    'secrets: is kept in the clear\n    pulumi config set --secret --path secrets.rootEncryptionKey',
  );
  expect(told).not.toContain('n33dle');
});

test('what is set with --secret and would be in the clear is refused, without its value', () => {
  const told = problemsOf({ environment: '{"KMS_AUDIT_SINK":"https://u:hidden@sink"}' }, ['environment']);
  expect(told).toContain('environment: holds a secret');
  expect(told).toContain('pulumi config rm environment');
  expect(told).not.toContain('hidden');
});

test('values of kms-secrets that are missing are asked for as secrets', () => {
  const told = problemsOf({ secrets: '{"authSecret":"n33dle"}' }, ['secrets']);
  expect(told).toContain("pulumi config set --secret --path 'secrets.rootEncryptionKey'\n");
  expect(told).toContain("pulumi config set --secret --path 'secrets.dbConnectionUri'");
  expect(told).not.toContain('n33dle');
});
