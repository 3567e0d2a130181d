import { App, Chart } from 'cdk8s';
import { describe, expect, test } from 'vitest';
import {
  Kms,
  KmsAdmission,
  KmsAvailability,
  KmsBootstrapJob,
  KmsCrd,
  KmsIngress,
  KmsInstallation,
  KmsMonitoring,
  KmsNetworkPolicies,
  KmsOperator,
  type KubernetesVersion,
} from '../../constructs/index.ts';
import { arePublishedAtHand, kubernetesSchemas } from '../../tools/cluster/published.ts';
import { judgeBy } from '../support/kubernetes-schemas.ts';

/** Everything that the constructs render of Kubernetes' own kinds, held to the schemas of each minor that it is for. */

const INVENTORY = `version: 1
organizations:
  - { slug: hanzo, admins: [z@hanzo.ai], identities: [{ name: gateway-service }] }
`;

const areAtHand = arePublishedAtHand();
const minors = areAtHand ? await kubernetesSchemas() : [];

function render(kubernetesVersion?: KubernetesVersion) {
  const chart = new Chart(new App(), 'all');
  const props = kubernetesVersion ? { kubernetesVersion } : {};
  new KmsCrd(chart, 'crd');
  new Kms(chart, 'kms', props);
  new KmsAdmission(chart, 'admission', props);
  new KmsOperator(chart, 'operator', { secretNamespaces: ['hanzo', 'team'], autoReloadNamespaces: ['hanzo'] });
  new KmsAvailability(chart, 'availability', { autoscaling: { minReplicas: 2, maxReplicas: 6 } });
  new KmsNetworkPolicies(chart, 'network', { postgresCidr: '10.1.0.0/16', clientNamespaces: ['team'] });
  new KmsMonitoring(chart, 'monitoring');
  new KmsBootstrapJob(chart, 'bootstrap', {
    inventory: INVENTORY,
    services: [{ name: 'gateway' }],
    caSecretName: 'kms-ca',
    makeSecrets: { database: { secretName: 'kms-postgres-app', key: 'uri' }, redis: 'bundled' },
    token: { secretName: 'kms-bootstrap-secret', key: 'token' },
  });
  for (const controller of ['nginx', 'traefik', 'haproxy', 'contour'] as const)
    new KmsIngress(chart, controller, { controller });
  const trial = new KmsInstallation(new App(), 'trial', {
    ...props,
    ...{ namespaces: ['team'], tls: { enabled: true }, postgres: { mode: 'bundled' }, redis: { mode: 'bundled' } },
  });
  const objects = [...chart.toJson(), ...(trial.toJson() as any[])];
  // Those of other projects are held to their CRDs on a control plane.
  return objects.filter(({ apiVersion }) => !/^(monitoring\.coreos\.com|traefik\.io)\//.test(apiVersion));
}

describe.skipIf(!areAtHand)(
  `the manifests by Kubernetes' own schemas${areAtHand ? '' : ' (not at hand: npm run cluster -- build)'}`,
  () => {
    test('are held to seven minors', () => {
      expect(minors.map(({ version }) => version.split('.')[1])).toEqual(['28', '29', '30', '31', '32', '33', '34']);
    });

    test.each(minors.map((schemas) => [schemas.version, schemas] as const))('fit Kubernetes %s', (version, schemas) => {
      const judge = judgeBy(schemas);
      const minor = version.split('.').slice(0, 2).join('.') as KubernetesVersion;
      const objects = [...render(minor), ...(minor >= '1.30' ? render() : [])];
      expect(objects.length).toBeGreaterThan(20);
      expect(objects.flatMap((object) => judge(object))).toEqual([]);
    });

    test.each([
      ['1.28', ['has no admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy', 'additional properties sleep']],
      ['1.29', ['has no admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy']],
    ])('what is rendered without a word for 1.30 and newer does not fit %s', (minor, problems) => {
      const judge = judgeBy(minors.find(({ version }) => version.startsWith(minor))!);
      const found = render().flatMap((object) => judge(object));
      for (const problem of problems) expect(found).toContainEqual(expect.stringContaining(problem));
    });

    test.each([
      ['an unknown field', { replica: 2 }, 'replica'],
      ['another type', { replicas: 'two' }, 'must be integer'],
      ['a missing field', { template: undefined }, "required property 'template'"],
    ])('%s is told', (_, spec, problem) => {
      const judge = judgeBy(minors.at(-1)!);
      const deployment = render().find(({ kind }) => kind === 'Deployment');
      const wrong = JSON.parse(JSON.stringify({ ...deployment, spec: { ...deployment.spec, ...spec } }));
      expect(judge(wrong)).toContainEqual(expect.stringContaining(problem));
    });
  },
);
