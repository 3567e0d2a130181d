import type { KmsSecret, Target } from '../kms-secret.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import type { ObjectView } from '../kubernetes/object-view.ts';
import { type Allows, reaches } from './owners.ts';
import { SyncProblem } from './problem.ts';

/**
 * Whether a KMSSecret may name what it names in other namespaces than its own.
 *
 * @param allows whether a namespace lets KMSSecrets of another name objects in it
 * @throws SyncProblem
 */
export function checkNamespaces({ metadata, spec }: KmsSecret, targets: readonly Target[], allows: Allows): void {
  const own = metadata.namespace!;
  const { credentialsRef } = spec.authentication.universalAuth;
  const named = [
    credentialsRef.secretNamespace,
    spec.tls?.caRef.secretNamespace,
    ...targets.map(({ namespace }) => namespace),
  ];
  for (const namespace of new Set(named)) {
    if (namespace === undefined || reaches(own, namespace, allows)) continue;
    throw new SyncProblem(
      'NamespaceNotAllowed',
      `the namespace ${namespace} does not allow KMSSecrets of ${own}: label it secrets.lux.network/allow-kmssecrets-from=${own}`,
    );
  }
  const foreign = targets.find(({ namespace, creationPolicy }) => creationPolicy === 'Owner' && namespace !== own);
  if (foreign)
    throw new SyncProblem(
      'NamespaceNotAllowed',
      `${foreign.kind} ${foreign.namespace}/${foreign.name} has creationPolicy Owner, and Kubernetes deletes with its owner only what is in the owner's namespace ${own}`,
    );
}

/** Waits until the objects concerned were asked for once: what is not known to be there could be. @throws SyncProblem without the right */
export async function waitUntilKnown(
  objects: ObjectView,
  { spec }: KmsSecret,
  targets: readonly Target[],
): Promise<void> {
  const { credentialsRef } = spec.authentication.universalAuth;
  const read = [credentialsRef, ...(spec.tls ? [spec.tls.caRef] : [])];
  const concerned = [
    ...read.map(({ secretNamespace: namespace, secretName: name }) => ({ kind: 'Secret' as const, namespace, name })),
    ...targets,
  ];
  for (const { kind, namespace, name } of concerned) {
    try {
      await objects.ready(kind, namespace, name);
    } catch (error) {
      if (!(error instanceof KubernetesError && error.status === 403)) throw error;
      throw new SyncProblem(
        'KubernetesRefused',
        objects.isByName(namespace)
          ? `the operator may not read the ${kind} ${namespace}/${name}: add this KMSSecret to onlySecretsOf of KmsOperator`
          : `the operator may not read ${kind}s of the namespace ${namespace}: add it to secretNamespaces of KmsOperator`,
      );
    }
  }
}
