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

/** A pod of one container, under the number of a user that somebody else's image has, which writes to its volumes. */
export function restrictedAs(
  user: number,
  container: k8s.Container,
): Pick<k8s.PodSpec, 'securityContext' | 'containers'> {
  return {
    securityContext: {
      ...RESTRICTED_POD,
      runAsUser: user,
      runAsGroup: user,
      fsGroup: user,
      fsGroupChangePolicy: 'OnRootMismatch',
    },
    containers: [{ ...container, securityContext: RESTRICTED_CONTAINER }],
  };
}
