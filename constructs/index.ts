/** cdk8s constructs for Hanzo KMS: the server, the CRD, and a KMSSecret per service (HIP-27). */
export { Kms, type KmsProps } from './kms.ts';
export { KmsCrd } from './kms-crd.ts';
export { type IKmsSecret, KmsSecret, type KmsSecretProps, type ObjectReference } from './kms-secret.ts';
export type { KmsQuantities, KmsResources } from './resources.ts';
