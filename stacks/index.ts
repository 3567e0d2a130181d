/** Pulumi components that put Hanzo KMS on a cluster. */
export { readConfiguration, type StackConfiguration } from './configuration.ts';
export { KmsCluster, type KmsClusterArgs } from './kms-cluster.ts';
export { type KmsSecretsPlace, requireKmsSecrets } from './kms-secrets.ts';
export type { KmsManagedSecrets } from './managed-secrets.ts';
