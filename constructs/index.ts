/** cdk8s constructs for Hanzo KMS: the server, the CRD, and a KMSSecret per service (HIP-27). */
export { Kms, type KmsProps, type KmsResources } from './kms.ts';
export { KmsCrd } from './kms-crd.ts';
export { KmsSecret, type KmsSecretProps, type SecretReference } from './kms-secret.ts';
