import type { InstallationProps } from '../../contracts/index.ts';

/** What hanzo-k8s has besides what everybody has: Prometheus' operator is in the cluster, and the inventory is applied there. */
export const HANZO_K8S: InstallationProps = { monitoring: { enabled: true }, bootstrap: { enabled: true } };
