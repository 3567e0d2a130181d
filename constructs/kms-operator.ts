import type { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { NamespaceName } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { ImageShape, imageName, imageSettings, type KmsImage } from './image.ts';
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
   * @default - its own namespace
   */
  readonly secretNamespaces?: readonly string[];
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
   * @default - 128Mi and 50m requested, 512Mi and 500m at most: a thousand identities took 300 MB
   */
  readonly resources?: KmsResources;
}

const PORT = 8081;
const NAME = 'kms-operator';
const RESOURCES = { requests: { memory: '128Mi', cpu: '50m' }, limits: { memory: '512Mi', cpu: '500m' } };

const Props = z.object({
  namespace: NamespaceName,
  secretNamespaces: z.array(NamespaceName).min(1),
  autoReloadNamespaces: z.array(NamespaceName),
  ...ImageShape,
  replicas: z.int().min(1).max(10),
  resources: Resources,
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
      secretNamespaces: [...new Set(props.secretNamespaces ?? [namespace])],
      autoReloadNamespaces: [...new Set(props.autoReloadNamespaces ?? [])],
      ...imageSettings(props),
      replicas: props.replicas ?? 2,
      resources: { ...RESOURCES, ...props.resources },
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
    { namespace, secretNamespaces, autoReloadNamespaces }: z.output<typeof Props>,
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
    for (const where of autoReloadNamespaces) bind(`Reload${where}`, where, `${NAME}-reload`, rules.reload);
  }
}

function container({
  version,
  digest,
  resources,
  secretNamespaces,
  autoReloadNamespaces,
}: z.output<typeof Props>): k8s.Container {
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
      { name: 'WATCH_NAMESPACES', value: secretNamespaces.join(',') },
      { name: 'AUTO_RELOAD', value: String(autoReloadNamespaces.length > 0) },
    ],
    readinessProbe: { ...probe('/readyz'), periodSeconds: 10 },
    livenessProbe: { ...probe('/healthz'), periodSeconds: 30, failureThreshold: 3 },
    resources: requirements(resources),
    securityContext: RESTRICTED_CONTAINER,
  };
}
