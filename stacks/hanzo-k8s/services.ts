import type { KmsClusterService } from '../kms-cluster.ts';

/** The services of hanzo-k8s (HIP-27, "Projects"); a test keeps the list equal to the inventory in examples/hanzo. */
export const services: readonly KmsClusterService[] = [
  { name: 'iam', project: 'hanzo-iam' },
  { name: 'gateway' },
  { name: 'chat' },
  { name: 'cloud' },
  { name: 'console' },
  { name: 'commerce' },
  { name: 'platform' },
  { name: 'bootnode' },
  { name: 'flow' },
  { name: 'zen' },
];
