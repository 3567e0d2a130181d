import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { bootstrapArguments, bootstrapEnvironment } from './bootstrap/command.ts';
import { contentName } from './bootstrap/content-name.ts';
import { bootstrapRules } from './bootstrap/rules.ts';
import { type BootstrapSettings, Settings, settingsOf } from './bootstrap/settings.ts';
import { imageName, type KmsImage } from './image.ts';
import { type KmsResources, requirements } from './resources.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from './restricted.ts';
import { problemsOf } from './validation.ts';

/** A service that gets its credentials from the Job. */
export interface KmsBootstrapService {
  /** Name of the service, such as `gateway`; the names of all else follow from it. */
  readonly name: string;
  /**
   * Namespace of its KMSSecret and of its bootstrap Secret.
   * @default - the namespace of the Job
   */
  readonly namespace?: string;
  /**
   * Its machine identity, one of the inventory's.
   * @default - `<name>-service`
   */
  readonly identity?: string;
  /**
   * Slug of the identity's organization, where several have an identity of this name.
   * @default - the one that has it
   */
  readonly organization?: string;
  /**
   * Bootstrap Secret that the credentials are put into.
   * @default - `<name>-kms-auth`
   */
  readonly credentialsSecretName?: string;
  /**
   * KMSSecret that the Job waits for.
   * @default - `<name>-kms-sync`
   */
  readonly kmsSecretName?: string;
}

/** A key of a Secret in the namespace of the Job. */
export interface KmsSecretKey {
  /** Name of the Secret. */
  readonly secretName: string;
  /** Key in it. */
  readonly key: string;
}

/** What the Job puts into `kms-secrets` when it makes it. */
export interface KmsMadeSecrets {
  /**
   * DB_CONNECTION_URI: that of a Secret, or `bundled`, which makes a password for the bundled Postgres (Secret `kms-postgres-auth`).
   */
  readonly database: KmsSecretKey | 'bundled';
  /**
   * REDIS_URL: that of a Secret, or `bundled`, which makes a password for the bundled Redis (Secret `kms-redis-auth`).
   * @default - no Redis
   */
  readonly redis?: KmsSecretKey | 'bundled';
}

export interface KmsBootstrapJobProps extends KmsImage {
  /**
   * Namespace of KMS, and of the Job.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Where KMS answers.
   * @default - `http://kms.<namespace>.svc:8080`, the Service that `Kms` makes
   */
  readonly url?: string;
  /**
   * Secret with the certificate of KMS's authority under `ca.crt`, where the url is https with one of your own.
   * @default - the authorities that Node knows
   */
  readonly caSecretName?: string;
  /**
   * The inventory, as the text of a `kms.yaml`.
   * @default - none: `organizations` alone
   */
  readonly inventory?: string;
  /**
   * Slugs of organizations that are to exist besides those of the inventory.
   * @default []
   */
  readonly organizations?: readonly string[];
  /**
   * E-mail addresses of people who are admins of each of `organizations`. The first is the instance's first admin, unless the inventory
   * names one.
   * @default []
   */
  readonly adminEmails?: readonly string[];
  /**
   * Services whose bootstrap Secrets the Job fills, and whose KMSSecrets it waits for.
   * @default []
   */
  readonly services?: readonly KmsBootstrapService[];
  /**
   * Whether the Job ends only when the KMSSecrets of all services are in sync.
   * @default true
   */
  readonly waitForSync?: boolean;
  /**
   * The Secret with AUTH_SECRET, which proves to KMS that the Job may do this.
   * @default 'kms-secrets'
   */
  readonly secretName?: string;
  /**
   * Has the Job make that Secret when it is missing. The Job may then read it, root key and all; without, it is given AUTH_SECRET alone.
   * @default - `kms-bootstrap init` made it before; the Job's pod waits for it
   */
  readonly makeSecrets?: KmsMadeSecrets;
  /**
   * Where the Job puts a token that ends after two hours and may look at the first organization (HIP-27,
   * `additionalOrganizationsTokenSecretKey`).
   * @default - no token is made
   */
  readonly token?: KmsSecretKey;
  /**
   * Any text: a new one makes a new Job, though nothing else has changed.
   * @default - none
   */
  readonly rerun?: string;
  /**
   * Requests and limits.
   * @default - 128Mi and 50m requested, 256Mi and 500m at most
   */
  readonly resources?: KmsResources;
}

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
