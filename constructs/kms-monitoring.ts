import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { NamespaceName, ObjectName } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { problemsOf } from './validation.ts';

export interface KmsMonitoringProps {
  /**
   * Namespace of KMS and of the operator.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Labels by which Prometheus finds what it is to look at.
   * @default { release: 'prometheus' }
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * Name of the Certificate that the Ingress is served with.
   * @default 'kms-tls'
   */
  readonly certificateName?: string;
}

const Props = z.object({
  namespace: NamespaceName,
  labels: z.record(z.string(), z.string()),
  certificateName: ObjectName,
});

interface Alert {
  readonly alert: string;
  readonly expr: string;
  /** How long it has to be so before it is told. */
  readonly for: string;
  readonly severity: 'critical' | 'warning';
  /** What is wrong, for people. */
  readonly summary: string;
  /** What to do. */
  readonly description: string;
}

const alertsOf = ({ namespace, certificateName }: { namespace: string; certificateName: string }): readonly Alert[] => [
  {
    alert: 'KmsCertificateEndsSoon',
    expr: `certmanager_certificate_expiration_timestamp_seconds{namespace="${namespace}",name="${certificateName}"} - time() < 14 * 86400`,
    for: '1h',
    severity: 'warning',
    summary: 'The certificate of KMS ends within two weeks',
    description: `cert-manager has not renewed it: kubectl -n ${namespace} describe certificate ${certificateName}`,
  },
  {
    alert: 'KmsSecretNotInSync',
    expr: 'time() - kms_operator_kmssecret_last_sync_timestamp_seconds > 600',
    for: '5m',
    severity: 'warning',
    summary: 'The Secret of {{ $labels.namespace }}/{{ $labels.name }} was not in sync for ten minutes',
    description:
      'kubectl -n {{ $labels.namespace }} describe kmssecret {{ $labels.name }} tells why; the last good content stays',
  },
  {
    alert: 'KmsSecretFailing',
    expr: 'kms_operator_kmssecret_ready == 0',
    for: '10m',
    severity: 'warning',
    summary: '{{ $labels.namespace }}/{{ $labels.name }} does not get ready',
    description: 'kubectl -n {{ $labels.namespace }} describe kmssecret {{ $labels.name }} tells why and what to do',
  },
  {
    alert: 'KmsCredentialsNotRenewed',
    expr: 'increase(kms_operator_renewals_total{outcome!="renewed"}[15m]) > 0',
    for: '15m',
    severity: 'warning',
    summary: 'A client secret that is to be renewed is not',
    description: 'kubectl get kmssecret -A -o yaml, condition CredentialsRenewed, tells which, why and what to do',
  },
  {
    alert: 'KmsOperatorHasNoLeader',
    expr: 'sum(kms_operator_leader) < 1 or absent(kms_operator_leader)',
    for: '5m',
    severity: 'critical',
    summary: 'No replica of the operator leads',
    description: `Secrets stay as they are and follow nothing: kubectl -n ${namespace} get pods -l app=kms-operator`,
  },
  {
    alert: 'KmsAuditNotSealed',
    expr: 'increase(kms_seal_failures_total[15m]) > 0',
    for: '15m',
    severity: 'critical',
    summary: 'The audit of KMS is written and not sealed',
    description:
      'kms-server audit verify tells whether anything is wrong with what is there; the log of KMS tells why sealing fails',
  },
  {
    alert: 'KmsClientSecretReused',
    expr: 'increase(kms_client_secret_families_revoked_total[15m]) > 0',
    for: '0m',
    severity: 'critical',
    summary: 'A client secret was used after its successor, so all of its family are revoked',
    description:
      'Somebody has a copy of it: the audit of KMS (event revoke-client-secret-family) names the identity and the address. Make a new one, renewable, and put it into the Secret',
  },
  {
    alert: 'KmsRefusesMany',
    expr: 'sum(rate(kms_refused_strangers_total[5m])) > 1',
    for: '10m',
    severity: 'warning',
    summary: 'Somebody tries tokens or secrets that are wrong',
    description:
      'The audit of KMS names the identities and addresses; wrong client secrets are slowed, right ones never',
  },
  {
    alert: 'KmsIsDown',
    expr: 'absent(kms_info)',
    for: '5m',
    severity: 'critical',
    summary: 'No replica of KMS answers',
    description: `kubectl -n ${namespace} get pods -l app=kms; Secrets in the cluster keep their content`,
  },
];

/**
 * What Prometheus' operator looks at and tells: a Service and a ServiceMonitor for KMS and for the operator, and the alerts. Needs the CRDs of
 * prometheus-operator, and `KMS_METRICS_PORT=9090` and `KMS_METRICS_HOST=0.0.0.0` in the environment of `Kms`.
 */
export class KmsMonitoring extends Construct {
  /** The PrometheusRule, for what the props do not cover. */
  readonly rule: ApiObject;

  constructor(scope: Construct, id: string, props: KmsMonitoringProps = {}) {
    super(scope, id);
    const settings = {
      namespace: props.namespace ?? DEFAULT_NAMESPACE,
      labels: props.labels ?? { release: 'prometheus' },
      certificateName: props.certificateName ?? 'kms-tls',
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    const { namespace } = settings;
    for (const [app, port] of [
      ['kms', 9090],
      ['kms-operator', 8081],
    ] as const) {
      const metadata = {
        name: `${app}-metrics`,
        namespace,
        labels: { app, 'app.kubernetes.io/component': 'metrics', ...settings.labels },
      };
      new k8s.KubeService(this, `Service-${app}`, {
        metadata,
        spec: {
          clusterIp: 'None',
          selector: { app },
          ports: [{ name: 'metrics', port, targetPort: k8s.IntOrString.fromNumber(port), protocol: 'TCP' }],
        },
      });
      new ApiObject(this, `Monitor-${app}`, {
        apiVersion: 'monitoring.coreos.com/v1',
        kind: 'ServiceMonitor',
        metadata,
        spec: {
          selector: { matchLabels: { app, 'app.kubernetes.io/component': 'metrics' } },
          endpoints: [{ port: 'metrics', interval: '30s' }],
        },
      });
    }
    this.rule = new ApiObject(this, 'Rule', {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'kms', namespace, labels: { app: 'kms', ...settings.labels } },
      spec: {
        groups: [
          {
            name: 'kms',
            rules: alertsOf(settings).map(({ severity, summary, description, ...alert }) => ({
              ...alert,
              labels: { severity },
              annotations: { summary, description },
            })),
          },
        ],
      },
    });
  }
}
