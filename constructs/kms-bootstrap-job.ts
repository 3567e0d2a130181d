import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { bootstrapArguments, bootstrapEnvironment } from './bootstrap/command.ts';
import { contentName } from './bootstrap/content-name.ts';
import type { KmsBootstrapJobProps } from './bootstrap/props.ts';
import { bootstrapRules } from './bootstrap/rules.ts';
import { type BootstrapSettings, Settings, settingsOf } from './bootstrap/settings.ts';
import { imageName } from './image.ts';
import { requirements } from './resources.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from './restricted.ts';
import { problemsOf } from './validation.ts';

const NAME = 'kms-bootstrap';
const INVENTORY_FOLDER = '/etc/kms-bootstrap';
const CA_FOLDER = '/etc/kms-ca';
/** An hour: time for somebody to make `kms-secrets`, for which the pod waits. */
const ACTIVE_SECONDS = 3600;
const RETRIES = 10;

/**
 * The first run, and every later one, in the cluster: `kms-bootstrap provision` as a Job, with a ServiceAccount that may touch the objects
 * that it names and no others. It waits for KMS, makes the first admin and what the inventory declares, fills the bootstrap Secret of each
 * service, and waits until the services' Secrets are in sync. A second run changes nothing.
 *
 * A Job cannot be changed, so that its name carries a digest of its spec: another inventory is another Job, and the same one is nothing to do.
 * It is kept when it has ended (no `ttlSecondsAfterFinished`): GitOps tools and Pulumi would miss it and make it anew each time. What
 * is to run again without a change is given another `rerun`.
 *
 * @example
 * new KmsBootstrapJob(chart, 'bootstrap', { inventory: readFileSync('kms.yaml', 'utf8'), services: [{ name: 'gateway' }] });
 */
export class KmsBootstrapJob extends Construct {
  /** The Job, for what the props do not cover; a change of its spec by hand is no longer in its name. */
  readonly job: ApiObject;
  /** The ServiceAccount, for what the props do not cover. */
  readonly serviceAccount: ApiObject;
  /** Name of the Job, with the digest of its spec. */
  readonly jobName: string;
  /** Namespace of the Job. */
  readonly namespace: string;

  constructor(scope: Construct, id: string, props: KmsBootstrapJobProps = {}) {
    super(scope, id);
    const settings = settingsOf(props);
    this.node.addValidation({ validate: () => problemsOf(Settings, settings) });
    const { namespace, inventory } = settings;
    const labels = {
      app: NAME,
      'app.kubernetes.io/name': NAME,
      'app.kubernetes.io/component': 'bootstrap',
      'app.kubernetes.io/part-of': 'hanzo-universe',
    };
    this.namespace = namespace;
    this.serviceAccount = new k8s.KubeServiceAccount(this, 'ServiceAccount', {
      metadata: { name: NAME, namespace, labels },
      automountServiceAccountToken: false,
    });
    for (const [where, { name, rules }] of bootstrapRules(settings)) {
      const metadata = { name, namespace: where, labels };
      new k8s.KubeRole(this, `Role${name}${where}`, { metadata, rules });
      new k8s.KubeRoleBinding(this, `Binding${name}${where}`, {
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ kind: 'ServiceAccount', name: NAME, namespace }],
      });
    }
    const inventoryName = inventory === undefined ? undefined : contentName(`${NAME}-inventory`, inventory);
    if (inventory !== undefined && inventoryName !== undefined)
      new k8s.KubeConfigMap(this, 'Inventory', {
        metadata: { name: inventoryName, namespace, labels },
        immutable: true,
        data: { 'kms.yaml': inventory },
      });
    const manifest = k8s.KubeJob.manifest({
      metadata: { name: NAME, namespace, labels },
      spec: {
        backoffLimit: RETRIES,
        activeDeadlineSeconds: ACTIVE_SECONDS,
        template: {
          metadata: { labels, ...(settings.rerun && { annotations: { 'kms.hanzo.ai/rerun': settings.rerun } }) },
          spec: podSpec(settings, inventoryName),
        },
      },
    });
    this.jobName = contentName(NAME, manifest.spec);
    this.job = new ApiObject(this, 'Job', { ...manifest, metadata: { ...manifest.metadata, name: this.jobName } });
  }
}

function podSpec(settings: BootstrapSettings, inventoryName: string | undefined): k8s.PodSpec {
  const { version, digest, resources, caSecretName } = settings;
  const mounts = [
    ...(inventoryName === undefined
      ? []
      : [{ volume: { name: 'inventory', configMap: { name: inventoryName } }, mountPath: INVENTORY_FOLDER }]),
    ...(caSecretName === undefined
      ? []
      : [
          {
            volume: { name: 'ca', secret: { secretName: caSecretName, items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
            mountPath: CA_FOLDER,
          },
        ]),
  ];
  return {
    serviceAccountName: NAME,
    automountServiceAccountToken: true,
    enableServiceLinks: false,
    // Each try keeps its own log.
    restartPolicy: 'Never',
    securityContext: RESTRICTED_POD,
    containers: [
      {
        name: 'bootstrap',
        image: imageName({ version, digest }),
        command: [NAME, 'provision'],
        args: bootstrapArguments(settings, inventoryName && `${INVENTORY_FOLDER}/kms.yaml`),
        env: bootstrapEnvironment(settings, caSecretName && `${CA_FOLDER}/ca.crt`),
        resources: requirements(resources),
        securityContext: RESTRICTED_CONTAINER,
        ...(mounts.length > 0 && {
          volumeMounts: mounts.map(({ volume, mountPath }) => ({ name: volume.name, mountPath, readOnly: true })),
        }),
      },
    ],
    ...(mounts.length > 0 && { volumes: mounts.map(({ volume }) => volume) }),
  };
}
