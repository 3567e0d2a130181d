import type { k8s } from 'cdk8s-plus-28';

/** Kubernetes' Pod Security Standard "restricted", and a file system that nobody writes to. The image knows the user by this number. */
const USER = 65532;

/** For a pod. */
export const RESTRICTED_POD: k8s.PodSecurityContext = {
  runAsNonRoot: true,
  runAsUser: USER,
  runAsGroup: USER,
  seccompProfile: { type: 'RuntimeDefault' },
};

/** For a pod that writes to a volume. */
export const RESTRICTED_POD_WITH_VOLUMES: k8s.PodSecurityContext = { ...RESTRICTED_POD, fsGroup: USER };

/** For each of its containers. */
export const RESTRICTED_CONTAINER: k8s.SecurityContext = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
};
