import { App, Chart, Duration, JsonPatch } from 'cdk8s';
import { expect, test } from 'vitest';
import { KmsSecret, type KmsSecretProps } from '../../constructs/index.ts';

function render(props: KmsSecretProps = {}, id = 'gateway') {
  const chart = new Chart(new App(), 'chart');
  const construct = new KmsSecret(chart, id, props);
  return { construct, object: chart.toJson()[0] };
}

test.each<{ name: string; props: KmsSecretProps; expected: object }>([
  { name: 'service', props: { service: 'llm' }, expected: { metadata: { name: 'llm-kms-sync' } } },
  { name: 'namespace', props: { namespace: 'lux' }, expected: { metadata: { namespace: 'lux' } } },
  { name: 'hostApi', props: { hostApi: 'http://kms:8080' }, expected: { spec: { hostAPI: 'http://kms:8080' } } },
  {
    name: 'resyncInterval',
    props: { resyncInterval: Duration.minutes(2) },
    expected: { spec: { resyncInterval: 120 } },
  },
  {
    name: 'secretName',
    props: { secretName: 'env' },
    expected: { spec: { managedSecretReference: { secretName: 'env' } } },
  },
  {
    name: 'secretNamespace',
    props: { secretNamespace: 'apps' },
    expected: { metadata: { namespace: 'hanzo' }, spec: { managedSecretReference: { secretNamespace: 'apps' } } },
  },
  {
    name: 'credentialsSecretName',
    props: { credentialsSecretName: 'login', credentialsSecretNamespace: 'vault' },
    expected: {
      spec: {
        authentication: { universalAuth: { credentialsRef: { secretName: 'login', secretNamespace: 'vault' } } },
      },
    },
  },
  ...(['projectSlug', 'envSlug', 'secretsPath'] as const).map((name) => {
    const value = name === 'secretsPath' ? '/database' : 'other';
    return {
      name,
      props: { [name]: value },
      expected: { spec: { authentication: { universalAuth: { secretsScope: { [name]: value } } } } },
    };
  }),
  {
    name: 'secretType',
    props: { secretType: 'kubernetes.io/tls' },
    expected: { spec: { managedSecretReference: { secretType: 'kubernetes.io/tls' } } },
  },
  {
    name: 'metadata',
    props: { metadata: { labels: { team: 'a' } } },
    expected: { metadata: { labels: { team: 'a', 'app.kubernetes.io/component': 'secrets' } } },
  },
])('$name can be set', ({ props, expected }) => {
  expect(render(props).object).toMatchObject(expected);
});

test('one namespace holds the resource, its credentials and its Secret', () => {
  const { construct, object } = render({ namespace: 'lux' });
  expect(object.spec.authentication.universalAuth.credentialsRef.secretNamespace).toBe('lux');
  expect(object.spec.managedSecretReference.secretNamespace).toBe('lux');
  expect(construct.secret).toEqual({ name: 'gateway-secrets', namespace: 'lux' });
  expect(construct.credentials).toEqual({ name: 'gateway-kms-auth', namespace: 'lux' });
});

test.each<{ name: string; props: KmsSecretProps; problem: string }>([
  {
    name: 'an interval of a second',
    props: { resyncInterval: Duration.seconds(1) },
    problem: 'resyncInterval: must be 5 seconds or more',
  },
  { name: 'an interval of half seconds', props: { resyncInterval: Duration.millis(7500) }, problem: 'resyncInterval:' },
  { name: 'an address without a scheme', props: { hostApi: 'kms.hanzo.ai' }, problem: 'hostAPI: must be a URL' },
  { name: 'an address with a password', props: { hostApi: 'https://a:b@kms' }, problem: 'hostAPI: must be a URL' },
  { name: 'a relative path', props: { secretsPath: 'database' }, problem: 'secretsPath: a path is absolute' },
  { name: 'a project slug in capitals', props: { projectSlug: 'Gateway' }, problem: 'projectSlug: a slug' },
  { name: 'an environment with a space', props: { envSlug: 'my prod' }, problem: 'envSlug: a slug' },
  {
    name: 'a Secret name with an underscore',
    props: { secretName: 'my_secret' },
    problem: 'secretName: must be a Kubernetes name',
  },
  { name: 'an environment in capitals', props: { envSlug: 'Prod' }, problem: 'envSlug: a slug' },
  { name: 'a project with a space', props: { projectSlug: 'a b' }, problem: 'projectSlug: a slug' },
  { name: 'a service in capitals', props: { service: 'Gateway' }, problem: 'service: must be a name' },
  { name: 'a service of 64 letters', props: { service: 'a'.repeat(64) }, problem: 'service: ' },
  { name: 'a bad namespace', props: { namespace: 'a.b' }, problem: 'must be a namespace name' },
])('$name is refused at synth, with the path', ({ props, problem }) => {
  const app = new App();
  new KmsSecret(new Chart(app, 'chart'), 'gateway', props);
  expect(() => app.synth()).toThrow(new RegExp(`\\[chart/gateway\\].*${problem}`, 's'));
});

test('all problems are told at once, of every construct', () => {
  const app = new App();
  const chart = new Chart(app, 'chart');
  new KmsSecret(chart, 'gateway', { envSlug: 'Prod', hostApi: 'kms' });
  new KmsSecret(chart, 'chat', { secretsPath: 'x' });
  expect(() => app.synth()).toThrow(
    /(?=.*\[chart\/gateway\] [^\n]*envSlug)(?=.*\[chart\/gateway\] [^\n]*hostAPI)(?=.*\[chart\/chat\] [^\n]*secretsPath)/s,
  );
});

test('two that keep one Secret are refused', () => {
  const app = new App();
  const chart = new Chart(app, 'chart');
  new KmsSecret(chart, 'gateway');
  new KmsSecret(chart, 'gateway-database', { secretName: 'gateway-secrets', secretsPath: '/database' });
  expect(() => app.synth()).toThrow(
    '[chart/gateway-database] the Secret hanzo/gateway-secrets is kept by chart/gateway already; name another',
  );
});

test.each([undefined, 'lux'])('what exists elsewhere has the names that are rendered here (%s)', (namespace) => {
  const { resource, credentials, secret, touched } = render({ namespace }).construct;
  expect(KmsSecret.fromName('gateway', namespace)).toEqual({ resource, credentials, secret, touched });
});

test('what the props do not cover is reached by the object', () => {
  const chart = new Chart(new App(), 'chart');
  const { apiObject } = new KmsSecret(chart, 'gateway');
  apiObject.addJsonPatch(JsonPatch.add('/spec/instantUpdates', true));
  expect(chart.toJson()[0].spec.instantUpdates).toBe(true);
  expect(apiObject.node.path).toBe('chart/gateway/Resource');
});

test('renders as it did', () => {
  expect(render().object).toMatchSnapshot();
});
