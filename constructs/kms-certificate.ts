import { ApiObject } from 'cdk8s';
import { Construct } from 'constructs';

export interface KmsCertificateProps {
  /** Namespace of KMS. */
  readonly namespace: string;
  /** Secret that cert-manager writes it to. */
  readonly secretName: string;
  /** Name of cert-manager's issuer. */
  readonly issuerName: string;
  /** Its kind. */
  readonly issuerKind: 'Issuer' | 'ClusterIssuer';
}

/** The certificate of KMS inside of the cluster, under every name of its Service, by cert-manager, which must be in the cluster. */
export class KmsCertificate extends Construct {
  /** The Certificate, for what the props do not cover. */
  readonly certificate: ApiObject;

  constructor(scope: Construct, id: string, { namespace, secretName, issuerName, issuerKind }: KmsCertificateProps) {
    super(scope, id);
    const service = `kms.${namespace}`;
    this.certificate = new ApiObject(this, 'Resource', {
      apiVersion: 'cert-manager.io/v1',
      kind: 'Certificate',
      metadata: {
        name: 'kms-server',
        namespace,
        labels: { app: 'kms', 'app.kubernetes.io/name': 'kms', 'app.kubernetes.io/part-of': 'hanzo-universe' },
      },
      spec: {
        secretName,
        dnsNames: [`${service}.svc`, `${service}.svc.cluster.local`, service, 'kms'],
        privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always' },
        usages: ['digital signature', 'server auth'],
        issuerRef: { group: 'cert-manager.io', kind: issuerKind, name: issuerName },
      },
    });
  }
}
