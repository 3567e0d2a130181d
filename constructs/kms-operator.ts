import type { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { KmsSecretSpec, NamespaceName, OPERATOR_RESOURCES } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { ImageShape, imageName, imageSettings, type KmsImage } from './image.ts';
import type { IKmsSecret, TouchedObject } from './kms-secret.ts';
import { operatorRules } from './operator-rules.ts';
import { spread } from './placement.ts';
import { type KmsResources, Resources, requirements } from './resources.ts';
import { RESTRICTED_CONTAINER, RESTRICTED_POD } from './restricted.ts';
import { problemsOf } from './validation.ts';

export interface KmsOperatorProps extends KmsImage {
  /**
   * Namespace of the operator itself.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Namespaces whose Secrets the operator may read and write: each gets a Role of its own, and no other namespace is open to it.
   * @default - its own namespace; none with `onlySecretsOf`
   */
  readonly secretNamespaces?: readonly string[];
  /**
   * KMSSecrets, or services, for which the operator may read and write what they name and nothing else: the Role of each of their namespaces
   * names every object. For namespaces that hold other Secrets, too, and few of these, since each object costs a watch: at most 100 in all.
   * A KMSSecret that is not among them is not kept, until it is.
   * @default [] - all Secrets of secretNamespaces
   */
  readonly onlySecretsOf?: readonly IKmsSecret[];
  /**
   * Addresses of KMS that client secrets are sent to, such as `https://kms.hanzo.ai`. A KMSSecret names its own, so that without this list
   * whoever may write KMSSecrets in a namespace can have the client secrets there sent to a server of theirs.
   * @default - any that a KMSSecret names
   */
  readonly hosts?: readonly string[];
  /**
   * Namespaces in which it may restart workloads that ask for it (`secrets.lux.network/auto-reload: "true"`). Whoever can change a
   * workload's template can run code there, which is why it is asked for by itself.
   * @default [] - none
   */
  readonly autoReloadNamespaces?: readonly string[];
  /**
   * Number of replicas, of which one leads.
   * @default 2
   */
  readonly replicas?: number;
  /**
   * Requests and limits.
   * @default - 128Mi and 50m requested, 512Mi and 500m at most: a thousand identities took 181 MB
   */
  readonly resources?: KmsResources;
}

const PORT = 8081;
const NAME = 'kms-operator';

/** More are a whole namespace by then. */
const NAMED_AT_MOST = 100;

const Props = z
  .object({
    namespace: NamespaceName,
    secretNamespaces: z.array(NamespaceName),
    onlySecretsOf: z.record(z.string(), z.array(z.custom<TouchedObject>())),
    watched: z.array(z.string()),
    hosts: z.array(KmsSecretSpec.shape.hostAPI),
    autoReloadNamespaces: z.array(NamespaceName),
    ...ImageShape,
    replicas: z.int().min(1).max(10),
    resources: Resources,
  })
  .superRefine(({ secretNamespaces, onlySecretsOf }, context) => {
    const named = Object.entries(onlySecretsOf);
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message });
    if (secretNamespaces.length + named.length === 0)
      refuse('secretNamespaces', 'names no namespace, nor does onlySecretsOf');
    for (const [namespace] of named)
      if (secretNamespaces.includes(namespace))
        refuse(
          'onlySecretsOf',
          `${namespace} is in secretNamespaces, too, which opens all of its Secrets: name it in one of them`,
        );
    const count = named.reduce((sum, [, objects]) => sum + objects.length, 0);
    if (count > NAMED_AT_MOST)
      refuse(
        'onlySecretsOf',
        `names ${count} objects, and each costs a watch: at most ${NAMED_AT_MOST}; put a namespace into secretNamespaces`,
      );
  });

/**
 * The operator that keeps Secrets equal to folders of KMS (HIP-27, KMS Operator): a Deployment of two replicas of which one leads, its
 * ServiceAccount, and the rights it needs and no others. The CRD (`KmsCrd`) must be in the cluster.
 *
 * @example
 * new KmsOperator(chart, 'operator', { secretNamespaces: ['hanzo'], autoReloadNamespaces: ['hanzo'] });
 */
export class KmsOperator extends Construct {
  /** The Deployment, for what the props do not cover. */
  readonly deployment: ApiObject;
  /** The ServiceAccount, for what the props do not cover. */
  readonly serviceAccount: ApiObject;
  /** The namespace that it runs in. */
  readonly namespace: string;

  constructor(scope: Construct, id: string, props: KmsOperatorProps = {}) {
    super(scope, id);
    const namespace = props.namespace ?? DEFAULT_NAMESPACE;
    const settings = {
      namespace,
      secretNamespaces: [...new Set(props.secretNamespaces ?? (props.onlySecretsOf ? [] : [namespace]))],
      onlySecretsOf: byNamespace(props.onlySecretsOf ?? []),
      watched: (props.onlySecretsOf ?? []).map(({ resource }) => resource.namespace),
      hosts: [...new Set(props.hosts ?? [])],
      autoReloadNamespaces: [...new Set(props.autoReloadNamespaces ?? [])],
      ...imageSettings(props),
      replicas: props.replicas ?? 2,
      resources: { ...OPERATOR_RESOURCES, ...props.resources },
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    this.namespace = namespace;
    const labels = {
      app: NAME,
      'app.kubernetes.io/name': NAME,
      'app.kubernetes.io/component': 'operator',
      'app.kubernetes.io/part-of': 'hanzo-universe',
    };
    const metadata = { name: NAME, namespace, labels };
    this.serviceAccount = new k8s.KubeServiceAccount(this, 'ServiceAccount', { metadata });
    this.#grant(settings, labels);
    this.deployment = new k8s.KubeDeployment(this, 'Deployment', {
      metadata,
      spec: {
        replicas: settings.replicas,
        selector: { matchLabels: { app: NAME } },
        template: {
          metadata: { labels },
          spec: {
            serviceAccountName: NAME,
            enableServiceLinks: false,
            securityContext: RESTRICTED_POD,
            ...spread(NAME),
            containers: [container(settings)],
          },
        },
      },
    });
  }

  #grant(
    { namespace, secretNamespaces, onlySecretsOf, autoReloadNamespaces }: z.output<typeof Props>,
    labels: Record<string, string>,
  ): void {
    const rules = operatorRules();
    const subjects = [{ kind: 'ServiceAccount', name: NAME, namespace }];
    const bind = (scopeId: string, where: string | undefined, name: string, granted: k8s.PolicyRule[]) => {
      const kind = where === undefined ? 'ClusterRole' : 'Role';
      const metadata = { name, labels, ...(where === undefined ? {} : { namespace: where }) };
      const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind, name };
      if (where === undefined) {
        new k8s.KubeClusterRole(this, `${scopeId}Role`, { metadata, rules: granted });
        new k8s.KubeClusterRoleBinding(this, `${scopeId}Binding`, { metadata, roleRef, subjects });
      } else {
        new k8s.KubeRole(this, `${scopeId}Role`, { metadata, rules: granted });
        new k8s.KubeRoleBinding(this, `${scopeId}Binding`, { metadata, roleRef, subjects });
      }
    };
    bind('Cluster', undefined, NAME, [...rules.cluster, ...(autoReloadNamespaces.length > 0 ? rules.workloads : [])]);
    bind('Own', namespace, NAME, rules.own);
    for (const where of secretNamespaces) bind(`Secrets${where}`, where, `${NAME}-secrets`, rules.secrets);
    for (const [where, objects] of Object.entries(onlySecretsOf))
      bind(`Named${where}`, where, `${NAME}-secrets`, rules.named(objects));
    for (const where of autoReloadNamespaces) bind(`Reload${where}`, where, `${NAME}-reload`, rules.reload);
  }
}

/** What KMSSecrets name, by namespace. */
function byNamespace(kmsSecrets: readonly IKmsSecret[]): Record<string, TouchedObject[]> {
  const objects = new Map(
    kmsSecrets.flatMap(({ touched }) => touched).map((object) => [JSON.stringify(object), object] as const),
  );
  return Object.fromEntries(Map.groupBy(objects.values(), ({ namespace }) => namespace));
}

function container({
  version,
  digest,
  resources,
  secretNamespaces,
  onlySecretsOf,
  watched,
  hosts,
  autoReloadNamespaces,
}: z.output<typeof Props>): k8s.Container {
  const named = Object.keys(onlySecretsOf);
  const watching = [...new Set([...secretNamespaces, ...named, ...watched])];
  const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
  const probe = (path: string) => ({ httpGet: { path, port: k8s.IntOrString.fromString('http') } });
  return {
    name: 'operator',
    image: imageName({ version, digest }),
    command: ['kms-operator'],
    ports: [{ name: 'http', containerPort: PORT, protocol: 'TCP' }],
    env: [
      { name: 'POD_NAMESPACE', ...field('metadata.namespace') },
      { name: 'POD_NAME', ...field('metadata.name') },
      { name: 'PORT', value: String(PORT) },
      { name: 'WATCH_NAMESPACES', value: watching.join(',') },
      ...(named.length > 0 ? [{ name: 'SECRETS_BY_NAME', value: named.join(',') }] : []),
      ...(hosts.length > 0 ? [{ name: 'KMS_HOSTS', value: hosts.join(',') }] : []),
      { name: 'AUTO_RELOAD', value: String(autoReloadNamespaces.length > 0) },
    ],
    readinessProbe: { ...probe('/readyz'), periodSeconds: 10 },
    livenessProbe: { ...probe('/healthz'), periodSeconds: 30, failureThreshold: 3 },
    resources: requirements(resources),
    securityContext: RESTRICTED_CONTAINER,
  };
}
