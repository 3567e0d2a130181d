/** What every object of the API has. Of a spec and a status only those who use them know the shape. */
export interface KubernetesObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: Metadata;
}

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly ManagedFields[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
}

export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly fieldsV1?: unknown;
}

/** A Secret: values in base64, as the API has them. */
export interface Secret extends KubernetesObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly immutable?: boolean;
}

export interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
  readonly immutable?: boolean;
}

/** A kind of object, as its addresses are made of it. */
export interface Resource<Found extends KubernetesObject = KubernetesObject> {
  /** Such as `v1` or `apps/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Only for the compiler: what is found there. */
  readonly found?: Found;
}

const resource = <Found extends KubernetesObject = KubernetesObject>(
  apiVersion: string,
  kind: string,
  plural: string,
  namespaced = true,
): Resource<Found> => ({ apiVersion, kind, plural, namespaced });

export const Secrets = resource<Secret>('v1', 'Secret', 'secrets');
export const ConfigMaps = resource<ConfigMap>('v1', 'ConfigMap', 'configmaps');
export const Namespaces = resource('v1', 'Namespace', 'namespaces', false);
export const Events = resource('events.k8s.io/v1', 'Event', 'events');
export const Leases = resource<Lease>('coordination.k8s.io/v1', 'Lease', 'leases');

export const Pods = resource<Pod>('v1', 'Pod', 'pods');
export const Deployments = resource<Workload>('apps/v1', 'Deployment', 'deployments');
export const StatefulSets = resource<Workload>('apps/v1', 'StatefulSet', 'statefulsets');
export const DaemonSets = resource<Workload>('apps/v1', 'DaemonSet', 'daemonsets');
export const CronJobs = resource<CronJob>('batch/v1', 'CronJob', 'cronjobs');
export const Jobs = resource<Workload>('batch/v1', 'Job', 'jobs');
/** Argo Rollouts' own kind of Deployment; there only where its CRD is. */
export const Rollouts = resource<Workload>('argoproj.io/v1alpha1', 'Rollout', 'rollouts');

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

/** What makes pods from a template. */
export interface Workload extends KubernetesObject {
  readonly spec?: {
    readonly selector?: LabelSelector;
    readonly template?: { readonly metadata?: Partial<Metadata>; readonly spec?: PodSpec };
  };
}

export interface CronJob extends KubernetesObject {
  readonly spec?: { readonly jobTemplate?: { readonly spec?: Workload['spec'] } };
}

interface Named {
  readonly name?: string;
}

export interface Container {
  readonly envFrom?: readonly { readonly secretRef?: Named; readonly configMapRef?: Named }[];
  readonly env?: readonly {
    readonly valueFrom?: {
      readonly secretKeyRef?: Named & { readonly key?: string };
      readonly configMapKeyRef?: Named;
    };
  }[];
}

export interface PodSpec {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly {
    readonly secret?: { readonly secretName?: string };
    readonly configMap?: Named;
    readonly projected?: { readonly sources?: readonly { readonly secret?: Named; readonly configMap?: Named }[] };
  }[];
}

export interface Pod extends KubernetesObject {
  readonly spec?: PodSpec;
  readonly status?: {
    readonly phase?: string;
    readonly containerStatuses?: readonly { readonly state?: { readonly running?: { readonly startedAt?: string } } }[];
  };
}

export interface Lease extends KubernetesObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/** Path of a collection, or of one object in it. */
export function pathOf(of: Resource, namespace?: string, name?: string, subresource?: string): string {
  const root = of.apiVersion.includes('/') ? `/apis/${of.apiVersion}` : `/api/${of.apiVersion}`;
  const parts = [root];
  if (of.namespaced && namespace !== undefined) parts.push('namespaces', encodeURIComponent(namespace));
  parts.push(of.plural);
  if (name !== undefined) parts.push(encodeURIComponent(name));
  if (subresource !== undefined) parts.push(subresource);
  return parts.join('/');
}
