import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { App, Chart, Yaml } from 'cdk8s';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KmsInstallation, KmsMonitoring, KmsPostgres } from '../../constructs/index.ts';
import { Rollouts } from '../../operator/kubernetes/resources.ts';
import { buildTool } from '../../tools/cluster/programs.ts';
import { arePublishedAtHand, crdFile } from '../../tools/cluster/published.ts';
import { TestCluster } from './support/cluster.ts';

/** Objects of other projects' kinds, held to their own CRDs by a real API server. Their operators do not run. */

let cluster: TestCluster;
const namespace = 'hanzo';

const areAtHand = arePublishedAtHand();

describe.skipIf(!areAtHand)(
  `other projects' own definitions${areAtHand ? '' : ' (not at hand: npm run cluster -- build)'}`,
  () => {
    beforeAll(async () => {
      cluster = await TestCluster.start({ nodes: 2 });
      await cluster.namespace(namespace);
      await cluster.operator('operator-1', { AUTO_RELOAD: 'true' });
      for (const word of ['servicemonitors', 'prometheusrules', 'clusters', 'scheduledbackups'])
        await cluster.crd(await crdFile(word));
    });
    afterAll(() => cluster.close());

    const monitoring = () => {
      const chart = new Chart(new App(), 'monitoring');
      new KmsMonitoring(chart, 'monitoring');
      return chart.toJson();
    };
    const backup = { destinationPath: 's3://hanzo-backups/kms', credentialsSecretName: 'backups' };

    test("the monitoring is taken by prometheus-operator's CRDs, strictly", async () => {
      const told = await cluster.apply(Yaml.stringify(...monitoring()), '--validate=strict');
      expect(told).not.toMatch(/warning/i);
      expect(told.match(/servicemonitor\S+ serverside-applied/g)).toHaveLength(2);
      expect(told).toContain('prometheusrule.monitoring.coreos.com/kms serverside-applied');
    });

    test.each([
      ['alone', { instances: 1, backup }],
      ['with a standby', { backup }],
      [
        'with everything set',
        {
          instances: 3,
          storageClass: 'fast',
          backup: { ...backup, endpointUrl: 'https://s3.hanzo.ai', retention: '90d', schedule: '0 30 2 * * *' },
        },
      ],
    ])("Postgres %s is taken by CloudNativePG's CRDs, strictly", async (_, props) => {
      const chart = new Chart(new App(), 'postgres');
      new KmsPostgres(chart, 'postgres', props);
      const told = await cluster.apply(Yaml.stringify(...chart.toJson()), '--validate=strict');
      expect(told).not.toMatch(/warning/i);
      expect(told.match(/serverside-applied/g)).toHaveLength(2);
    });

    test("TLS in the server is taken by cert-manager's and Traefik's CRDs, strictly", async () => {
      for (const word of ['certificates', 'tlsoptions', 'serverstransports']) await cluster.crd(await crdFile(word));
      const installation = new KmsInstallation(new App(), 'kms', {
        tls: { enabled: true, issuer: { name: 'inside' } },
        ingress: { controller: 'traefik' },
      });
      const theirs = installation.toJson().filter(({ apiVersion }) => /^(cert-manager|traefik)\.io\//.test(apiVersion));
      const told = await cluster.apply(Yaml.stringify(...theirs), '--validate=strict');
      expect(told).not.toMatch(/warning/i);
      expect(told.match(/serverside-applied/g)).toHaveLength(3);
    });

    test('a field that a CRD does not have is refused', async () => {
      const [monitor] = monitoring().filter(({ kind }) => kind === 'ServiceMonitor');
      const wrong = { ...monitor, spec: { ...monitor.spec, endpoint: [] } };
      await expect(cluster.apply(Yaml.stringify(wrong), '--validate=strict')).rejects.toThrow(/endpoint/);
    });

    test('Prometheus itself reads the alerts: expressions and templates', async () => {
      const program = await buildTool('rulecheck', () => {});
      const { spec } = monitoring().find(({ kind }) => kind === 'PrometheusRule');
      const check = async (rules: unknown) => {
        const file = join(cluster.plane.folder, 'rules.yaml');
        await writeFile(file, Yaml.stringify(rules));
        return promisify(execFile)(program, [file]);
      };
      expect((await check(spec)).stdout.trim()).toBe(String(spec.groups[0].rules.length));
      const [first] = spec.groups[0].rules;
      for (const wrong of [{ expr: 'sum(kms_info' }, { annotations: { summary: '{{ $labels.name' } }])
        await expect(check({ groups: [{ name: 'kms', rules: [{ ...first, ...wrong }] }] })).rejects.toThrow();
    });

    test('an Argo Rollout is restarted once when its Secret changes, though its CRD came after the operator', async () => {
      const slug = 'canary';
      const { projectId } = await cluster.service(slug, namespace, { A: '1' });
      await cluster.kmsSecret(slug, namespace);
      await expect.poll(() => cluster.data(namespace, `${slug}-secrets`)).toEqual({ A: '1' });
      await cluster.crd(await crdFile('rollout'));
      await cluster.apply(`
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata:
  name: ${slug}
  namespace: ${namespace}
  annotations: { secrets.lux.network/auto-reload: "true" }
spec:
  replicas: 2
  strategy: { canary: { steps: [{ setWeight: 50 }, { pause: { duration: 10s } }] } }
  selector: { matchLabels: { app: ${slug} } }
  template:
    metadata: { labels: { app: ${slug} } }
    spec: { containers: [{ name: app, image: 'app:1', envFrom: [{ secretRef: { name: ${slug}-secrets } }] }] }
`);
      const rollout = () => cluster.api.get(Rollouts, { namespace, name: slug });
      const known = async () => (await rollout()).metadata.annotations?.['secrets.lux.network/content'];
      await expect.poll(known, { timeout: 45_000 }).toEqual(expect.any(String));
      const before = await rollout();
      expect(before.spec?.template?.metadata?.annotations).toBeUndefined();
      for (const secretValue of ['2', '3', '4'])
        await cluster.kms.do('PATCH', '/api/v3/secrets/raw/A', {
          body: { workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue },
        });
      const restarted = async () =>
        (await rollout()).spec?.template?.metadata?.annotations?.['secrets.lux.network/content'];
      await expect.poll(restarted).toEqual(expect.any(String));
      const after = await rollout();
      expect(await known()).toBe(await restarted());
      expect(after.metadata.generation).toBe(before.metadata.generation! + 1);
      // The strategy goes on as for any other change: nothing besides the template is touched.
      const { template: _before, ...rest } = before.spec!;
      const { template: _after, ...left } = after.spec!;
      expect(left).toEqual(rest);
    }, 90_000);
  },
);
