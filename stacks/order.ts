import type { InstallationPart, RenderedObject } from '../constructs/index.ts';

/** What has to be there before an object is made. Everything else is made at the same time: a rollout that hangs holds back nothing. */

interface Placed {
  readonly part: InstallationPart;
  readonly object: RenderedObject;
}

/** Kinds that start pods, and what those need: who they are, what they may do, what they read, and who reaches them. */
const WORKLOADS = new Set(['Deployment', 'StatefulSet', 'Job']);
const NEEDED_BY_PODS = new Set([
  'ServiceAccount',
  'ClusterRole',
  'ClusterRoleBinding',
  'Role',
  'RoleBinding',
  'ConfigMap',
  'NetworkPolicy',
  'Certificate',
]);

/** Whether one object has to be there before another. */
export function isNeeded({ part, object }: Placed, by: Placed): boolean {
  if (object.kind === 'Namespace') return by.object.metadata.namespace === object.metadata.name;
  // The operator, the KMSSecrets and the Job that waits for those.
  if (part === 'crd') return by.part === 'services' || isWorkload(by, 'operator') || isWorkload(by, 'bootstrap');
  // So that a KMSSecret is judged from the first on.
  if (object.kind.startsWith('ValidatingAdmissionPolicy')) return by.part === 'services';
  if (part === 'services') return isWorkload(by, 'bootstrap');
  if (object.kind === 'NetworkPolicy')
    return WORKLOADS.has(by.object.kind) && by.object.metadata.name === object.metadata.name;
  return part === by.part && NEEDED_BY_PODS.has(object.kind) && WORKLOADS.has(by.object.kind);
}

const isWorkload = ({ part, object }: Placed, of: InstallationPart) => part === of && WORKLOADS.has(object.kind);
