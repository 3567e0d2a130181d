import { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { HostName, INGRESS_CONTROLLERS, NamespaceName, ObjectName } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { problemsOf } from './validation.ts';

/** An ingress controller that is told "TLS 1.3 only" here. */
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
  /**
   * Secret with the certificate of KMS itself, where it speaks TLS inside of the cluster, too. What the controller looks for at the Service
   * is in `backendAnnotations`.
   * @default - plain HTTP between the controller and KMS
   */
  readonly backendTlsSecretName?: string;
}

const Props = z.object({
  host: HostName,
  namespace: NamespaceName,
  controller: z.enum(INGRESS_CONTROLLERS),
  className: ObjectName,
  clusterIssuer: ObjectName,
  tlsSecretName: ObjectName,
  backendTlsSecretName: ObjectName.optional(),
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
      backendTlsSecretName: props.backendTlsSecretName,
    };
    this.node.addValidation({ validate: () => problemsOf(Props, settings) });
    const { host, namespace, className, clusterIssuer, tlsSecretName, backendTlsSecretName } = settings;
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
    if (controller === 'traefik' && backendTlsSecretName !== undefined)
      new ApiObject(this, 'ServersTransport', {
        apiVersion: 'traefik.io/v1alpha1',
        kind: 'ServersTransport',
        metadata: { name: 'kms', namespace, labels },
        spec: { serverName: `kms.${namespace}.svc`, rootCAs: [{ secret: backendTlsSecretName }] },
      });
    this.ingress = new k8s.KubeIngress(this, 'Ingress', {
      metadata: {
        name: 'kms',
        namespace,
        labels,
        annotations: {
          'cert-manager.io/cluster-issuer': clusterIssuer,
          ...annotationsOf(controller, namespace),
          ...(backendTlsSecretName && backendOf(controller, namespace, backendTlsSecretName)),
        },
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

/** How KMS is spoken to by TLS, and whom to trust there, where a controller looks for it at the Ingress. */
function backendOf(controller: IngressController, namespace: string, secretName: string): Record<string, string> {
  switch (controller) {
    case 'nginx':
      return {
        'nginx.ingress.kubernetes.io/backend-protocol': 'HTTPS',
        'nginx.ingress.kubernetes.io/proxy-ssl-secret': `${namespace}/${secretName}`,
        'nginx.ingress.kubernetes.io/proxy-ssl-verify': 'on',
        'nginx.ingress.kubernetes.io/proxy-ssl-name': `kms.${namespace}.svc`,
        'nginx.ingress.kubernetes.io/proxy-ssl-server-name': 'on',
        'nginx.ingress.kubernetes.io/proxy-ssl-protocols': 'TLSv1.3',
      };
    case 'haproxy':
      return { 'haproxy.org/server-ssl': 'true', 'haproxy.org/server-ca': `${namespace}/${secretName}` };
    case 'traefik':
    case 'contour':
      return {};
  }
}

/** The same, where a controller looks for it at the Service. Contour's Ingress encrypts, and checks no certificate behind it. */
export function backendAnnotations(controller: IngressController, namespace: string): Record<string, string> {
  switch (controller) {
    case 'traefik':
      return {
        'traefik.ingress.kubernetes.io/service.serversscheme': 'https',
        'traefik.ingress.kubernetes.io/service.serverstransport': `${namespace}-kms@kubernetescrd`,
      };
    case 'contour':
      return { 'projectcontour.io/upstream-protocol.tls': '8080,http' };
    case 'nginx':
    case 'haproxy':
      return {};
  }
}
