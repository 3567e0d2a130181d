import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { NamespaceName, ObjectName } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { problemsOf } from './validation.ts';

/** Ingress controllers that are told "TLS 1.3 only" here; each wants it in its own words. */
const INGRESS_CONTROLLERS = ['nginx', 'traefik', 'haproxy', 'contour'] as const;
export type IngressController = (typeof INGRESS_CONTROLLERS)[number];

export interface KmsIngressProps {
  /**
   * Name that KMS is reached by.
   * @default 'kms.hanzo.ai'
   */
  readonly host?: string;
  /**
   * Namespace of KMS.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * The controller that serves the Ingress; also the name of its class.
   * @default 'nginx'
   */
  readonly controller?: IngressController;
  /**
   * Class of the Ingress.
   * @default - the controller's name
   */
  readonly className?: string;
  /**
   * cert-manager's ClusterIssuer that the certificate comes from (HIP-27: Let's Encrypt).
   * @default 'letsencrypt-prod'
   */
  readonly clusterIssuer?: string;
  /**
   * Name of the Secret that cert-manager writes the certificate to.
   * @default 'kms-tls'
   */
  readonly tlsSecretName?: string;
}

const Props = z.object({
  host: z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/, 'must be a host name'),
  namespace: NamespaceName,
  controller: z.enum(INGRESS_CONTROLLERS),
  className: ObjectName,
  clusterIssuer: ObjectName,
  tlsSecretName: ObjectName,
});

/**
 * KMS on the outside: an Ingress with a certificate of cert-manager, TLS 1.3 only (HIP-27, "In transit"). The Service `kms` must exist.
 *
 * ingress-nginx knows the lowest version for a whole controller alone: set `ssl-protocols: TLSv1.3` in its ConfigMap; the
 * snippet here does it for this host, where its administrator allows snippets.
 */
export class KmsIngress extends Construct {
  /** The Ingress, for what the props do not cover. */
  readonly ingress: ApiObject;
  /** Where KMS is reached. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: KmsIngressProps = {}) {
    super(scope, id);
    const controller = props.controller ?? 'nginx';
    const settings = {
      host: props.host ?? 'kms.hanzo.ai',
      namespace: props.namespace ?? DEFAULT_NAMESPACE,
      controller,
      className: props.className ?? controller,
      clusterIssuer: props.clusterIssuer ?? 'letsencrypt-prod',
      tlsSecretName: props.tlsSecretName ?? 'kms-tls',
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    const { host, namespace, className, clusterIssuer, tlsSecretName } = settings;
    const labels = {
      app: 'kms',
      'app.kubernetes.io/name': 'kms',
      'app.kubernetes.io/component': 'ingress',
      'app.kubernetes.io/part-of': 'hanzo-universe',
    };
    this.url = `https://${host}`;
    if (controller === 'traefik')
      new ApiObject(this, 'TlsOption', {
        apiVersion: 'traefik.io/v1alpha1',
        kind: 'TLSOption',
        metadata: { name: 'kms-tls13', namespace, labels },
        spec: { minVersion: 'VersionTLS13' },
      });
    this.ingress = new k8s.KubeIngress(this, 'Ingress', {
      metadata: {
        name: 'kms',
        namespace,
        labels,
        annotations: { 'cert-manager.io/cluster-issuer': clusterIssuer, ...annotationsOf(controller, namespace) },
      },
      spec: {
        ingressClassName: className,
        tls: [{ hosts: [host], secretName: tlsSecretName }],
        rules: [
          {
            host,
            http: {
              paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'kms', port: { name: 'http' } } } }],
            },
          },
        ],
      },
    });
  }
}

/** TLS 1.3 only, no plain HTTP, and event streams that are neither buffered nor cut, in each controller's own words. */
function annotationsOf(controller: IngressController, namespace: string): Record<string, string> {
  switch (controller) {
    case 'nginx':
      return {
        'nginx.ingress.kubernetes.io/ssl-redirect': 'true',
        'nginx.ingress.kubernetes.io/server-snippet': 'ssl_protocols TLSv1.3;',
        'nginx.ingress.kubernetes.io/proxy-buffering': 'off',
        'nginx.ingress.kubernetes.io/proxy-read-timeout': '3600',
      };
    case 'traefik':
      return {
        'traefik.ingress.kubernetes.io/router.entrypoints': 'websecure',
        'traefik.ingress.kubernetes.io/router.tls.options': `${namespace}-kms-tls13@kubernetescrd`,
      };
    case 'haproxy':
      return {
        'haproxy.org/ssl-redirect': 'true',
        'haproxy.org/backend-config-snippet': 'timeout server 1h',
        'haproxy.org/frontend-config-snippet': 'ssl-default-bind-options ssl-min-ver TLSv1.3',
      };
    case 'contour':
      return {
        'projectcontour.io/tls-minimum-protocol-version': '1.3',
        'projectcontour.io/response-timeout': 'infinity',
        'ingress.kubernetes.io/force-ssl-redirect': 'true',
      };
  }
}
