import * as kubernetes from '@pulumi/kubernetes';
import type * as pulumi from '@pulumi/pulumi';
import type { RenderedObject } from '../constructs/index.ts';
import { KMS_SECRET_KIND } from '../contracts/index.ts';

type Make = (name: string, args: never, options: pulumi.CustomResourceOptions) => pulumi.CustomResource;

const { admissionregistration, apps, autoscaling, batch, core, networking, policy, rbac } = kubernetes;

/** The class of each kind, so that previews tell fields apart. Its other API versions are known to it as aliases. */
const TYPED: Readonly<Record<string, Make>> = {
  'v1 ConfigMap': (...given) => new core.v1.ConfigMap(...given),
  'v1 Namespace': (...given) => new core.v1.Namespace(...given),
  'v1 Secret': (...given) => new core.v1.Secret(...given),
  'v1 Service': (...given) => new core.v1.Service(...given),
  'v1 ServiceAccount': (...given) => new core.v1.ServiceAccount(...given),
  'apps/v1 Deployment': (...given) => new apps.v1.Deployment(...given),
  'apps/v1 StatefulSet': (...given) => new apps.v1.StatefulSet(...given),
  'autoscaling/v2 HorizontalPodAutoscaler': (...given) => new autoscaling.v2.HorizontalPodAutoscaler(...given),
  'batch/v1 Job': (...given) => new batch.v1.Job(...given),
  'networking.k8s.io/v1 Ingress': (...given) => new networking.v1.Ingress(...given),
  'networking.k8s.io/v1 NetworkPolicy': (...given) => new networking.v1.NetworkPolicy(...given),
  'policy/v1 PodDisruptionBudget': (...given) => new policy.v1.PodDisruptionBudget(...given),
  'rbac.authorization.k8s.io/v1 ClusterRole': (...given) => new rbac.v1.ClusterRole(...given),
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding': (...given) => new rbac.v1.ClusterRoleBinding(...given),
  'rbac.authorization.k8s.io/v1 Role': (...given) => new rbac.v1.Role(...given),
  'rbac.authorization.k8s.io/v1 RoleBinding': (...given) => new rbac.v1.RoleBinding(...given),
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy': (...given) =>
    new admissionregistration.v1.ValidatingAdmissionPolicy(...given),
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding': (...given) =>
    new admissionregistration.v1.ValidatingAdmissionPolicyBinding(...given),
  'admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicy': (...given) =>
    new admissionregistration.v1beta1.ValidatingAdmissionPolicy(...given),
  'admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicyBinding': (...given) =>
    new admissionregistration.v1beta1.ValidatingAdmissionPolicyBinding(...given),
  'apiextensions.k8s.io/v1 CustomResourceDefinition': (...given) =>
    new kubernetes.apiextensions.v1.CustomResourceDefinition(...given),
};

/**
 * What the provider is told about every object. It applies on the server, and a field that somebody set by hand is somebody else's there: the next
 * change of it would end in a conflict (pulumi-kubernetes#2352), where the stack is to win. And it would make up a manager of fields for each
 * object, which a state that was lost or made anew does not know: what the former one set could then not be taken away.
 */
const TOLD = { 'pulumi.com/patchForce': 'true', 'pulumi.com/patchFieldManager': 'hanzo-kms' };

/**
 * A KMSSecret gets ready when the bootstrap Job has put its credentials there, and that Job is made after it: the provider, which waits for
 * whatever has a condition Ready (pulumi-kubernetes#3143), is not to wait for the one before it makes the other. The Job itself waits for all of them.
 */
const NOT_WAITED_FOR = { 'pulumi.com/skipAwait': 'true' };

/** What must not go with the stack: whatever holds data, and, since its KMSSecrets go with it, the definition of them. */
interface Keeping {
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
}

const KEPT: Readonly<Record<string, Keeping>> = {
  'v1 Namespace': { protect: true, retainOnDelete: true },
  'v1 Secret': { protect: true, retainOnDelete: true },
  'v1 PersistentVolumeClaim': { protect: true, retainOnDelete: true },
  'apps/v1 StatefulSet': { protect: true, retainOnDelete: true },
  'postgresql.cnpg.io/v1 Cluster': { protect: true, retainOnDelete: true },
  // Other stacks have KMSSecrets, too. It holds nothing itself, so that it need not stop a destroy.
  'apiextensions.k8s.io/v1 CustomResourceDefinition': { protect: false, retainOnDelete: true },
};

/** The digest that a Job's or a ConfigMap's own name ends with where its content is in it. */
const DIGEST = /-[0-9a-f]{10}$/;

/**
 * The name of an object's resource: it follows from kind, namespace and name, so that a construct that is called otherwise replaces nothing.
 * Where the name tells the content, that part is left out: another content is then a replacement, and not a stranger.
 */
export function resourceName({ kind, metadata }: RenderedObject): string {
  const name = ['Job', 'ConfigMap'].includes(kind) ? metadata.name.replace(DIGEST, '') : metadata.name;
  return [kind.toLowerCase(), metadata.namespace, name].filter(Boolean).join('-');
}

/**
 * Registers an object as a resource of its own.
 *
 * @param options.protect whether what holds data is protected
 */
export function register(
  object: RenderedObject,
  { protect, ...options }: pulumi.CustomResourceOptions & { readonly protect: boolean },
): pulumi.CustomResource {
  const type = `${object.apiVersion} ${object.kind}`;
  const make: Make = TYPED[type] ?? ((...given) => new kubernetes.apiextensions.CustomResource(...given));
  const kept = KEPT[type];
  const annotations = {
    ...object.metadata.annotations,
    ...TOLD,
    ...(object.kind === KMS_SECRET_KIND && NOT_WAITED_FOR),
  };
  const told = { ...object, metadata: { ...object.metadata, annotations } };
  return make(resourceName(object), told as never, {
    ...options,
    ...(kept && { protect: kept.protect && protect, retainOnDelete: kept.retainOnDelete }),
  });
}
