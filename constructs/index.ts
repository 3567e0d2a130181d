/** cdk8s constructs for Hanzo KMS: the server, the CRD, and a KMSSecret per service (HIP-27). */
export type { KmsBootstrapJobProps, KmsBootstrapService, KmsMadeSecrets, KmsSecretKey } from './bootstrap/props.ts';
export type { KmsImage } from './image.ts';
export { Kms, type KmsProps } from './kms.ts';
export { KmsAdmission, type KmsAdmissionProps } from './kms-admission.ts';
export { type KmsAutoscaling, KmsAvailability, type KmsAvailabilityProps } from './kms-availability.ts';
export { KmsBootstrapJob } from './kms-bootstrap-job.ts';
export { KmsCertificate, type KmsCertificateProps } from './kms-certificate.ts';
export type { KmsAuthority, KmsProbe, KmsProbes } from './kms-container.ts';
export { KmsCrd } from './kms-crd.ts';
export { type IngressController, KmsIngress, type KmsIngressProps } from './kms-ingress.ts';
export {
  INSTALLATION_PARTS,
  type InstallationPart,
  KmsInstallation,
  type RenderedObject,
} from './kms-installation.ts';
export { KmsInventory } from './kms-inventory.ts';
export { KmsMonitoring, type KmsMonitoringProps } from './kms-monitoring.ts';
export { KmsNetworkPolicies, type KmsNetworkPoliciesProps } from './kms-network.ts';
export { KmsOperator, type KmsOperatorProps } from './kms-operator.ts';
export { KmsPostgres, type KmsPostgresBackup, type KmsPostgresProps } from './kms-postgres.ts';
export { type IKmsSecret, KmsSecret, type KmsSecretProps, type ObjectReference } from './kms-secret.ts';
export { KmsService, type KmsServiceProps } from './kms-service.ts';
export { KmsTrialPostgres, type KmsTrialPostgresProps } from './kms-trial-postgres.ts';
export { KmsTrialRedis, type KmsTrialRedisProps } from './kms-trial-redis.ts';
export type { KubernetesVersion } from './kubernetes-version.ts';
export type { KmsQuantities, KmsResources } from './resources.ts';
