import { App, Chart, Duration, Testing } from 'cdk8s';
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
  { name: 'a bad namespace', props: { namespace: 'a.b' }, problem: 'must be a namespace name' },
])('$name is refused at synth, with the path', ({ props, problem }) => {
  const app = Testing.app();
  new KmsSecret(new Chart(app, 'chart'), 'gateway', props);
  expect(() => app.synth()).toThrow(new RegExp(`\\[chart/gateway\\].*${problem}`, 's'));
});

test('renders as it did', () => {
  expect(render().object).toMatchSnapshot();
});
