import { type Chart, JsonPatch } from 'cdk8s';
import type { InstallationSettings } from '../../contracts/index.ts';
import { Kms } from '../kms.ts';
import { KmsAvailability } from '../kms-availability.ts';
import { KmsCertificate } from '../kms-certificate.ts';
import type { KmsAuthority } from '../kms-container.ts';
import { backendAnnotations, KmsIngress } from '../kms-ingress.ts';
import { KmsMonitoring } from '../kms-monitoring.ts';
import { KmsNetworkPolicies } from '../kms-network.ts';
import type { KubernetesVersion } from '../kubernetes-version.ts';

/** Where the metrics of KMS are. */
const METRICS = { KMS_METRICS_PORT: '9090', KMS_METRICS_HOST: '0.0.0.0' };

/** Adds KMS itself and what is around it. */
export function addServer(chart: Chart, settings: InstallationSettings): { url: string; publicUrl?: string } {
  const { namespace, tls, ingress, postgres, redis, availability, monitoring, networkPolicies } = settings;
  const backendTlsSecretName = tls.enabled ? tls.secretName : undefined;
  if (tls.enabled && tls.issuer)
    new KmsCertificate(chart, 'certificate', {
      namespace,
      secretName: tls.secretName,
      issuerName: tls.issuer.name,
      issuerKind: tls.issuer.kind,
    });
  const kms = new Kms(chart, 'kms', {
    ...settings.image,
    namespace,
    replicas: settings.replicas,
    resources: settings.resources,
    probes: settings.probes,
    secretName: settings.secretName,
    kubernetesVersion: settings.kubernetesVersion as KubernetesVersion,
    environment: {
      ...(ingress.enabled && { SITE_URL: `https://${ingress.host}` }),
      ...(monitoring.enabled && METRICS),
      ...settings.environment,
    },
    ...(tls.enabled && { tlsSecretName: tls.secretName }),
    ...authorities(settings),
    ...(tls.enabled && ingress.enabled && { serviceAnnotations: backendAnnotations(ingress.controller, namespace) }),
  });
  // A budget over one replica would allow no eviction at all.
  if (availability.enabled && (availability.autoscaling?.minReplicas ?? settings.replicas) > 1) {
    const { minAvailable, autoscaling } = availability;
    // The autoscaler's from then on: whoever applies a number would undo its work each time.
    if (autoscaling) kms.deployment.addJsonPatch(JsonPatch.remove('/spec/replicas'));
    new KmsAvailability(chart, 'availability', { namespace, minAvailable, autoscaling });
  }
  if (networkPolicies.enabled) {
    const { ingressNamespace, clientNamespaces, monitoringNamespace } = networkPolicies;
    new KmsNetworkPolicies(chart, 'network', {
      ...{ namespace, ingressNamespace, clientNamespaces, monitoringNamespace },
      postgresCidr: postgres.cidr,
      redisCidr: redis.cidr,
      bundled: [
        ...(postgres.mode === 'bundled' ? (['kms-postgres'] as const) : []),
        ...(redis.mode === 'bundled' ? (['kms-redis'] as const) : []),
      ],
    });
  }
  if (monitoring.enabled)
    new KmsMonitoring(chart, 'monitoring', {
      namespace,
      labels: monitoring.labels,
      certificateName: ingress.tlsSecretName,
    });
  if (!ingress.enabled) return { url: kms.url };
  const { host, controller, className, clusterIssuer, tlsSecretName } = ingress;
  const outside = new KmsIngress(chart, 'ingress', {
    ...{ namespace, host, controller, className, clusterIssuer, tlsSecretName, backendTlsSecretName },
  });
  return { url: kms.url, publicUrl: outside.url };
}

/** Whom KMS trusts as Postgres and as Redis. CloudNativePG makes an authority of its own, in a Secret beside the database. */
function authorities({ postgres, redis }: InstallationSettings): { postgresCa?: KmsAuthority; redisCa?: KmsAuthority } {
  const own = postgres.mode === 'cloudnativepg';
  const of = ({ tls }: typeof postgres | typeof redis, made?: string): KmsAuthority => {
    const configMapName = tls.caConfigMapName;
    const secretName = tls.caSecretName ?? (configMapName === undefined ? made : undefined);
    return { ...(secretName ? { secretName } : { configMapName }), key: tls.caKey };
  };
  return {
    ...(named(postgres.tls) || (own && postgres.tls.enabled !== false)
      ? { postgresCa: of(postgres, own ? 'kms-postgres-ca' : undefined) }
      : {}),
    ...(named(redis.tls) ? { redisCa: of(redis) } : {}),
  };
}

const named = ({ enabled, caSecretName, caConfigMapName }: InstallationSettings['redis']['tls']) =>
  enabled ?? (caSecretName ?? caConfigMapName) !== undefined;
