/** cdk8s constructs for Hanzo KMS: the server, the CRD, and a KMSSecret per service (HIP-27). */
export { Kms, type KmsProps } from './kms.ts';
export { KmsAdmission } from './kms-admission.ts';
export { KmsCrd } from './kms-crd.ts';
export { KmsOperator, type KmsOperatorProps } from './kms-operator.ts';
export { type IKmsSecret, KmsSecret, type KmsSecretProps, type ObjectReference } from './kms-secret.ts';
export type { KmsQuantities, KmsResources } from './resources.ts';
