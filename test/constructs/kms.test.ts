import { App, Chart } from 'cdk8s';
import { expect, test } from 'vitest';
import { Kms, type KmsProps } from '../../constructs/index.ts';

function render(props: KmsProps = {}) {
  const chart = new Chart(new App(), 'chart');
  new Kms(chart, 'kms', props);
  const objects = chart.toJson();
  const pod = objects.find(({ kind }) => kind === 'Deployment').spec.template.spec;
  return { objects, pod, container: pod.containers[0] };
}

test('kms-secrets reach the server by envFrom alone', () => {
  const { container } = render();
  expect(container.envFrom).toEqual([{ secretRef: { name: 'kms-secrets' } }]);
  expect(container.env).toEqual([{ name: 'HOST', value: '0.0.0.0' }]);
});

test('the pod is restricted and holds no token', () => {
  const { objects, pod, container } = render();
  expect(objects.find(({ kind }) => kind === 'ServiceAccount').automountServiceAccountToken).toBe(false);
  expect(pod).toMatchObject({
    serviceAccountName: 'kms',
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
  });
});

test('the pod sleeps before it stops, without a shell', () => {
  expect(render().container.lifecycle).toEqual({ preStop: { sleep: { seconds: 5 } } });
});

test.each(['1.28', '1.29'] as const)('before %s knows it, a process of the image sleeps', (kubernetesVersion) => {
  const { lifecycle, image } = render({ kubernetesVersion }).container;
  expect([lifecycle, image]).toEqual([
    { preStop: { exec: { command: ['node', '-e', 'setTimeout(() => {}, 5000)'] } } },
    render().container.image,
  ]);
});

test('replicas spread over zones, and stay where they are when there is one zone alone', () => {
  expect(render().pod.topologySpreadConstraints).toEqual([
    expect.objectContaining({ topologyKey: 'topology.kubernetes.io/zone', whenUnsatisfiable: 'ScheduleAnyway' }),
  ]);
});

test('a database outage of minutes restarts no replica', () => {
  const { livenessProbe } = render().container;
  expect(livenessProbe.failureThreshold * livenessProbe.periodSeconds).toBeGreaterThanOrEqual(300);
});

test('the Service leads port 8080 to the pods', () => {
  const { objects, container } = render();
  const service = objects.find(({ kind }) => kind === 'Service');
  expect(service.spec).toMatchObject({ selector: { app: 'kms' }, ports: [{ port: 8080, targetPort: 'http' }] });
  expect(container.ports).toEqual([{ name: 'http', containerPort: 8080, protocol: 'TCP' }]);
});

test('a digest pins the bytes of the image', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  expect(render({ version: '1.2.3', digest }).container.image).toBe(`ghcr.io/hanzoai/kms:1.2.3@${digest}`);
});

test('one half of the resources can be set alone', () => {
  const limits = { memory: '4Gi', cpu: '2' };
  expect(render({ resources: { limits } }).container.resources).toEqual({
    requests: { memory: '512Mi', cpu: '250m' },
    limits,
  });
});

test('configuration joins what Kms sets itself', () => {
  expect(render({ environment: { LOG_LEVEL: 'debug' } }).container.env).toEqual([
    { name: 'HOST', value: '0.0.0.0' },
    { name: 'LOG_LEVEL', value: 'debug' },
  ]);
});

test('every object is in the namespace that is asked for', () => {
  expect(render({ namespace: 'vault' }).objects.map(({ metadata }) => metadata.namespace)).toEqual([
    'vault',
    'vault',
    'vault',
  ]);
});

test.each<{ name: string; props: KmsProps; problem: string }>([
  { name: 'latest', props: { version: 'latest' }, problem: '"latest" is not a version' },
  { name: 'a tag with a space', props: { version: 'a b' }, problem: 'version: must be an image tag' },
  { name: 'a short digest', props: { digest: 'sha256:12' }, problem: 'digest: must be sha256:' },
  { name: 'an old Kubernetes', props: { kubernetesVersion: '1.27' }, problem: 'kubernetesVersion: is older than 1.28' },
  {
    name: 'a patch version',
    props: { kubernetesVersion: '1.30.1' as '1.30' },
    problem: 'kubernetesVersion: must be a minor',
  },
  { name: 'no replica', props: { replicas: 0 }, problem: 'replicas:' },
  { name: 'half a replica', props: { replicas: 1.5 }, problem: 'replicas:' },
  { name: 'a bad namespace', props: { namespace: 'Hanzo' }, problem: 'namespace: must be a namespace name' },
  { name: 'a bad secret name', props: { secretName: 'kms_secrets' }, problem: 'secretName: must be a Kubernetes name' },
  {
    name: 'memory in thousandths',
    props: { resources: { limits: { memory: '512m', cpu: '1' } } },
    problem: 'resources.limits.memory: must be an amount of memory',
  },
  {
    name: 'cpu in words',
    props: { resources: { requests: { memory: '1Gi', cpu: 'one' } } },
    problem: 'resources.requests.cpu: must be an amount of cpu',
  },
  {
    name: 'a request above its limit',
    props: { resources: { requests: { memory: '2.5Gi', cpu: '250m' } } },
    problem: 'resources.requests.memory: 2.5Gi is above the limit, which is 2Gi',
  },
  {
    name: 'another port',
    props: { environment: { PORT: '9090' } },
    problem: 'environment.PORT: is set by Kms',
  },
  {
    name: 'a variable with a hyphen',
    props: { environment: { 'LOG-LEVEL': 'info' } },
    problem: 'environment.LOG-LEVEL: must be the name of a variable',
  },
  {
    name: 'a secret in the manifest',
    props: { environment: { AUTH_SECRET: 'x' } },
    problem: 'belongs into kms-secrets',
  },
])('$name is refused at synth, with the path', ({ props, problem }) => {
  const app = new App();
  new Kms(new Chart(app, 'chart'), 'kms', props);
  expect(() => app.synth()).toThrow(new RegExp(`\\[chart/kms\\].*${problem}`, 's'));
});

test('all problems are told at once', () => {
  const app = new App();
  new Kms(new Chart(app, 'chart'), 'kms', { replicas: 0, version: 'latest' });
  expect(() => app.synth()).toThrow(/version[\s\S]*replicas|replicas[\s\S]*version/);
});

test('renders as it did', () => {
  expect(render().objects).toMatchSnapshot();
});
