import { KEPT_BY_ANNOTATION, type KmsSecret, KmsSecrets, type Target } from '../kms-secret.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Digest } from '../kubernetes/digest.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import { FIELD_MANAGER } from '../kubernetes/field-manager.ts';
import type { KeptObject } from '../kubernetes/kept-object.ts';
import {
  ConfigMaps,
  type KubernetesObject,
  type OwnerReference,
  type Resource,
  Secrets,
} from '../kubernetes/resources.ts';
import type { Content } from './content.ts';
import { SyncProblem } from './problem.ts';

/** What became of one target. */
export type Written = 'unchanged' | 'created' | 'adopted' | 'updated';

/**
 * Whether an object is what it is to be: every key of the content with its value, and the metadata that is ours. Keys, labels and
 * annotations that others set are theirs, and tell nothing; a key that was applied and is wanted no more tells.
 */
export function isAsWanted(
  live: KeptObject | undefined,
  owner: KmsSecret,
  target: Target,
  digests: ReadonlyMap<string, string>,
): boolean {
  if (!live) return false;
  for (const [key, digest] of digests) if (live.digests.get(key) !== digest) return false;
  for (const key of live.applied) if (!digests.has(key)) return false;
  const { labels, annotations, ownerReferences } = metadataOf(owner, target);
  return (
    holds(live.metadata.labels, labels) &&
    holds(live.metadata.annotations, annotations) &&
    (ownerReferences ?? []).every(({ uid }) =>
      live.metadata.ownerReferences?.some((reference) => reference.uid === uid),
    )
  );
}

function holds(live: Readonly<Record<string, string>> = {}, wanted: Readonly<Record<string, string>> = {}): boolean {
  return Object.entries(wanted).every(([name, value]) => live[name] === value);
}

/** @throws SyncProblem when the object is somebody else's, or cannot be changed */
export function mayWrite(live: KeptObject | undefined, target: Target, keptByAnother: string | undefined): void {
  const name = `the ${target.kind} ${target.namespace}/${target.name}`;
  if (keptByAnother !== undefined)
    throw new SyncProblem(
      'SecretNotOurs',
      `${name} is kept by the KMSSecret ${keptByAnother}; name another object in one of the two`,
    );
  if (!live) return;
  const controller = live.metadata.ownerReferences?.find((reference) => reference.controller);
  if (controller)
    throw new SyncProblem(
      'SecretNotOurs',
      `${name} is made by ${controller.kind} ${controller.name}, which would undo each change; name another object, or delete what makes it`,
    );
  if (live.isImmutable)
    throw new SyncProblem('SecretImmutable', `${name} is immutable: delete it, and it is made anew`);
  if (target.type !== undefined && live.type !== target.type)
    throw new SyncProblem(
      'SecretTypeDiffers',
      `${name} has the type ${live.type}, which cannot be changed to ${target.type}: delete it, and it is made anew`,
    );
}

/** Writes an object by server-side apply. @throws KubernetesError 409 when it changed since `live` was seen */
export async function writeTarget(
  api: KubernetesApi,
  owner: KmsSecret,
  target: Target,
  content: Content,
  live: KeptObject | undefined,
): Promise<Written> {
  const { labels, annotations, ownerReferences } = metadataOf(owner, target);
  const metadata = {
    name: target.name,
    namespace: target.namespace,
    ...(labels && { labels }),
    annotations,
    ...(ownerReferences && { ownerReferences }),
    // The Lease does not fence: whoever wrote since we looked is not overwritten blindly.
    ...(live?.metadata.resourceVersion === undefined ? {} : { resourceVersion: live.metadata.resourceVersion }),
  };
  const isSecret = target.kind === 'Secret';
  const data = Object.fromEntries(
    [...content].map(([key, value]) => [key, isSecret ? Buffer.from(value).toString('base64') : value]),
  );
  const body = { metadata, ...(isSecret ? { type: target.type } : {}), data } as KubernetesObject;
  try {
    await api.apply(resourceOf(target), body, { fieldManager: FIELD_MANAGER });
  } catch (error) {
    if (error instanceof KubernetesError && error.status === 403)
      throw new SyncProblem(
        'KubernetesRefused',
        `the operator may not write the ${target.kind} ${target.namespace}/${target.name}: the namespace has no Role for it (${error.message})`,
      );
    throw error;
  }
  if (!live) return 'created';
  return live.metadata.annotations?.[KEPT_BY_ANNOTATION] === annotations[KEPT_BY_ANNOTATION] ? 'updated' : 'adopted';
}

/** What a target is among the kinds of the API. What the two have in common is all that is asked of them here. */
function resourceOf({ kind }: Target): Resource {
  return kind === 'Secret' ? Secrets : ConfigMaps;
}

/** What the content of an object is compared by. */
export function digestsOf(content: Content, digest: Digest): Map<string, string> {
  return new Map([...content].map(([key, value]) => [key, digest(value)]));
}

function metadataOf(owner: KmsSecret, target: Target) {
  const { name, namespace, uid } = owner.metadata;
  const reference: OwnerReference = {
    apiVersion: KmsSecrets.apiVersion,
    kind: KmsSecrets.kind,
    name,
    uid: uid ?? '',
  };
  return {
    labels: { ...target.template?.metadata?.labels, 'app.kubernetes.io/managed-by': 'kms-operator' } as Record<
      string,
      string
    >,
    annotations: {
      ...target.template?.metadata?.annotations,
      [KEPT_BY_ANNOTATION]: `${namespace}/${name}`,
    } as Record<string, string>,
    ownerReferences: target.creationPolicy === 'Owner' ? [reference] : undefined,
  };
}

/**
 * Lets go of an object that a KMSSecret names no more, after its creationPolicy: what is owned is deleted, what is not keeps its content and
 * belongs to whoever wants it.
 */
export async function releaseTarget(api: KubernetesApi, owner: KmsSecret, target: Target): Promise<void> {
  const of = resourceOf(target);
  const place = { namespace: target.namespace, name: target.name };
  try {
    const { metadata } = await api.get(of, place);
    if (metadata.annotations?.[KEPT_BY_ANNOTATION] !== `${owner.metadata.namespace}/${owner.metadata.name}`) return;
    const isOwned = metadata.ownerReferences?.some(({ uid }) => uid === owner.metadata.uid);
    if (isOwned) await api.delete(of, place, metadata.uid);
    else {
      const body = {
        metadata: {
          resourceVersion: metadata.resourceVersion,
          annotations: { [KEPT_BY_ANNOTATION]: null },
          labels: { 'app.kubernetes.io/managed-by': null },
        },
      };
      await api.patch(of, place, body, FIELD_MANAGER);
    }
  } catch (error) {
    if (!(error instanceof KubernetesError && error.isNotFound)) throw error;
  }
}
