import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { NamespaceName } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { problemsOf } from './validation.ts';

export interface KmsNetworkPoliciesProps {
  /**
   * Namespace of KMS and of the operator.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Namespace of the ingress controller, which may reach KMS.
   * @default 'ingress-nginx'
   */
  readonly ingressNamespace?: string;
  /**
   * Further namespaces whose pods may reach the API.
   * @default [] - the namespace of KMS alone
   */
  readonly clientNamespaces?: readonly string[];
  /**
   * Namespace of Prometheus, which may reach the metrics.
   * @default 'monitoring'
   */
  readonly monitoringNamespace?: string;
  /**
   * Port that the metrics of KMS are on (KMS_METRICS_PORT).
   * @default 9090
   */
  readonly metricsPort?: number;
  /**
   * Where Postgres is, as CIDR. Its port is 5432.
   * @default - anywhere
   */
  readonly postgresCidr?: string;
  /**
   * Where Redis is, as CIDR. Its port is 6379.
   * @default - anywhere
   */
  readonly redisCidr?: string;
  /**
   * Stores that come with KMS, which KMS alone then reaches and which reach nobody.
   * @default [] - none comes with it
   */
  readonly bundled?: readonly ('kms-postgres' | 'kms-redis')[];
}

const Cidr = z.union([z.cidrv4(), z.cidrv6()], 'must be a CIDR such as 10.0.0.0/8').optional();
const Props = z.object({
  namespace: NamespaceName,
  ingressNamespace: NamespaceName,
  clientNamespaces: z.array(NamespaceName),
  monitoringNamespace: NamespaceName,
  metricsPort: z.int().min(1).max(65_535),
  postgresCidr: Cidr,
  redisCidr: Cidr,
  bundled: z.array(z.enum(['kms-postgres', 'kms-redis'])),
});

/**
 * Who reaches KMS and the operator, and whom they reach: everything else is closed. Only a network plugin that knows NetworkPolicies
 * enforces them.
 */
export class KmsNetworkPolicies extends Construct {
  constructor(scope: Construct, id: string, props: KmsNetworkPoliciesProps = {}) {
    super(scope, id);
    const settings = {
      namespace: props.namespace ?? DEFAULT_NAMESPACE,
      ingressNamespace: props.ingressNamespace ?? 'ingress-nginx',
      clientNamespaces: [...(props.clientNamespaces ?? [])],
      monitoringNamespace: props.monitoringNamespace ?? 'monitoring',
      metricsPort: props.metricsPort ?? 9090,
      postgresCidr: props.postgresCidr,
      redisCidr: props.redisCidr,
      bundled: [...(props.bundled ?? [])],
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    const { namespace, ingressNamespace, clientNamespaces, monitoringNamespace, metricsPort } = settings;
    const clients = [...new Set([namespace, ingressNamespace, ...clientNamespaces])].map(fromNamespace);
    const monitoring = { from: [fromNamespace(monitoringNamespace)] };
    new k8s.KubeNetworkPolicy(this, 'Server', {
      metadata: metadataOf('kms', namespace),
      spec: {
        podSelector: { matchLabels: { app: 'kms' } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          { from: clients, ports: [tcp(8080)] },
          { ...monitoring, ports: [tcp(metricsPort)] },
        ],
        egress: [
          NAMES,
          { ...at(settings.postgresCidr), ports: [tcp(5432)] },
          { ...at(settings.redisCidr), ports: [tcp(6379)] },
          // Single sign-on, keys of other issuers, webhooks: the server itself refuses private addresses.
          { ports: [tcp(443)] },
        ],
      },
    });
    new k8s.KubeNetworkPolicy(this, 'Operator', {
      metadata: metadataOf('kms-operator', namespace),
      spec: {
        podSelector: { matchLabels: { app: 'kms-operator' } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ ...monitoring, ports: [tcp(8081)] }],
        // The API server is 443 by its Service, and 6443 where the address is translated before the policy is looked at.
        egress: [NAMES, { ports: [tcp(443), tcp(6443), tcp(8080)] }],
      },
    });
    for (const store of settings.bundled)
      new k8s.KubeNetworkPolicy(this, store, {
        metadata: metadataOf(store, namespace),
        spec: {
          podSelector: { matchLabels: { app: store } },
          policyTypes: ['Ingress', 'Egress'],
          ingress: [
            {
              from: [{ podSelector: { matchLabels: { app: 'kms' } } }],
              ports: [tcp(store === 'kms-postgres' ? 5432 : 6379)],
            },
          ],
        },
      });
  }
}

const tcp = (port: number): k8s.NetworkPolicyPort => ({ protocol: 'TCP', port: k8s.IntOrString.fromNumber(port) });

/** Without a name resolved nothing is reached. */
const NAMES: k8s.NetworkPolicyEgressRule = {
  to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }],
  ports: [{ protocol: 'UDP', port: k8s.IntOrString.fromNumber(53) }, tcp(53)],
};

const fromNamespace = (name: string): k8s.NetworkPolicyPeer => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
});

const at = (cidr: string | undefined) => (cidr === undefined ? {} : { to: [{ ipBlock: { cidr } }] });

function metadataOf(name: string, namespace: string): k8s.ObjectMeta {
  return {
    name,
    namespace,
    labels: { app: name, 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'hanzo-universe' },
  };
}
