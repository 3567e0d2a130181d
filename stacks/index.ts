/** Pulumi components that put Hanzo KMS on a cluster. */
export { KmsCluster, type KmsClusterArgs, type KmsClusterService } from './kms-cluster.ts';
