import {
  KMS_SECRET_API_VERSION,
  KMS_SECRET_GROUP,
  KMS_SECRET_KIND,
  type KmsSecretStatus,
  type StoredKmsSecretSpec,
} from '../contracts/kms-secret.ts';
import type { KubernetesObject, Resource } from './kubernetes/resources.ts';

/** A KMSSecret as the API server has it: with its defaults, which are the CRD's. */
export interface KmsSecret extends KubernetesObject {
  readonly spec: StoredKmsSecretSpec;
  readonly status?: KmsSecretStatus;
}

export const KmsSecrets: Resource<KmsSecret> = {
  apiVersion: KMS_SECRET_API_VERSION,
  kind: KMS_SECRET_KIND,
  plural: 'kmssecrets',
  namespaced: true,
};

/** Whoever changes it has everything looked at anew. Its value is of no matter. */
export const RESYNC_ANNOTATION = `${KMS_SECRET_GROUP}/resync`;
/** On a managed object: the KMSSecret that keeps it, `namespace/name`. */
export const KEPT_BY_ANNOTATION = `${KMS_SECRET_GROUP}/kept-by`;
/** On a managed object: the operator has made it, and may have it deleted with its KMSSecret. */
export const MADE_ANNOTATION = `${KMS_SECRET_GROUP}/made-by-operator`;
/** On a namespace: KMSSecrets of these namespaces may name Secrets in it; names with `_` between them, or `all`. */
export const ALLOW_LABEL = `${KMS_SECRET_GROUP}/allow-kmssecrets-from`;

/** An object that a KMSSecret keeps up to date. */
export interface Target {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly namespace: string;
  readonly name: string;
  /** Of a Secret. */
  readonly type?: string;
  readonly creationPolicy: 'Owner' | 'Orphan';
  readonly template: Template | undefined;
}

type Template = NonNullable<StoredKmsSecretSpec['managedSecretReference']>['template'];

/** Everything that a KMSSecret keeps up to date, the one of HIP-27 first. */
export function targetsOf({ spec }: KmsSecret): readonly Target[] {
  const { managedSecretReference: first, managedKubeSecretReferences: more = [] } = spec;
  const secrets = (first ? [first, ...more] : more).map(
    ({ secretName, secretNamespace, secretType, creationPolicy, template }): Target => ({
      kind: 'Secret',
      namespace: secretNamespace,
      name: secretName,
      type: secretType,
      creationPolicy,
      template,
    }),
  );
  const configMaps = (spec.managedKubeConfigMapReferences ?? []).map(
    ({ configMapName, configMapNamespace, creationPolicy, template }): Target => ({
      kind: 'ConfigMap',
      namespace: configMapNamespace,
      name: configMapName,
      creationPolicy,
      template,
    }),
  );
  return [...secrets, ...configMaps];
}

/** `Secret/namespace/name`. */
export function targetKey({ kind, namespace, name }: Pick<Target, 'kind' | 'namespace' | 'name'>): string {
  return `${kind}/${namespace}/${name}`;
}
