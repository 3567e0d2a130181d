import { isStoredType, KMS_SECRET_GROUP } from '../../contracts/kms-secret.ts';
import { KEPT_BY_ANNOTATION, type KmsSecret, KmsSecrets, MADE_ANNOTATION, type Target } from '../kms-secret.ts';
import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Digest } from '../kubernetes/digest.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import { FIELD_MANAGER } from '../kubernetes/field-manager.ts';
import { type KeptObject, MOST_KEYS } from '../kubernetes/kept-object.ts';
import { keyOf } from '../kubernetes/reflector.ts';
import {
  ConfigMaps,
  type KubernetesObject,
  type OwnerReference,
  type Resource,
  Secrets,
} from '../kubernetes/resources.ts';
import type { Content } from './content.ts';
import { listed } from './keys.ts';
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
  const { labels, annotations, ownerReferences } = metadataOf(owner, target, live);
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

/** Who has to do with a target besides the KMSSecret that names it. */
export interface Others {
  /** The KMSSecret that keeps it. */
  readonly keeper: string | undefined;
  /** A KMSSecret that reads credentials or a certificate in it. */
  readonly reader: string | undefined;
  /** Whether KMS, its operator or Kubernetes itself lives by it. */
  readonly isReserved: boolean;
}

/**
 * Whether a target may be written. Whoever writes KMSSecrets need not be allowed to write Secrets, so what others live by is not
 * theirs to adopt.
 *
 * @throws SyncProblem when the object is somebody else's, or cannot be changed
 */
export function mayWrite(
  live: KeptObject | undefined,
  target: Target,
  owner: KmsSecret,
  { keeper, reader, isReserved }: Others,
): void {
  const name = `the ${target.kind} ${target.namespace}/${target.name}`;
  if (isReserved) throw new SyncProblem('SecretNotOurs', `${name} is one that others live by: name another object`);
  if (keeper !== undefined)
    throw new SyncProblem(
      'SecretNotOurs',
      `${name} is kept by the KMSSecret ${keeper}; name another object in one of the two`,
    );
  if (target.type !== undefined && !isStoredType(target.type))
    throw new SyncProblem(
      'SecretTypeNotAllowed',
      `${name} would have the type ${target.type}, which makes things happen: name one that holds what is put into it`,
    );
  const reserved = reservedIn(target);
  if (reserved.length > 0)
    throw new SyncProblem(
      'TemplateInvalid',
      `template.metadata sets ${listed(reserved)}, which are the operator's own`,
    );
  if (!live) return;
  const isKept = live.metadata.annotations?.[KEPT_BY_ANNOTATION] === keyOf(owner.metadata);
  if (!isKept && reader !== undefined)
    throw new SyncProblem(
      'SecretNotOurs',
      `${name} holds what the KMSSecret ${reader} logs in with: name another object`,
    );
  if (live.isOversized)
    throw new SyncProblem('TooLarge', `${name} holds more than ${MOST_KEYS} keys: name another object`);
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
  const { labels, annotations, ownerReferences } = metadataOf(owner, target, live);
  const metadata = {
    name: target.name,
    namespace: target.namespace,
    ...(labels && { labels }),
    annotations,
    ...(ownerReferences && { ownerReferences }),
    // The Lease does not fence: whoever wrote since we looked is not overwritten blindly.
    ...(live?.metadata.resourceVersion === undefined ? {} : { resourceVersion: live.metadata.resourceVersion }),
  };
  checkJson(target, content);
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

/** Types that hold JSON: the API server would refuse it, and quote in its refusal what it met in the value. @throws SyncProblem */
function checkJson({ type, namespace, name }: Target, content: Content): void {
  const key = `.${type?.replace('kubernetes.io/', '')}`;
  const value = key === '.dockerconfigjson' || key === '.dockercfg' ? content.get(key) : undefined;
  if (value === undefined) return;
  try {
    JSON.parse(value);
  } catch {
    throw new SyncProblem(
      'KubernetesRefused',
      `the Secret ${namespace}/${name} of the type ${type} holds no JSON in ${key}`,
    );
  }
}

/** What a target is among the kinds of the API. What the two have in common is all that is asked of them here. */
function resourceOf({ kind }: Target): Resource {
  return kind === 'Secret' ? Secrets : ConfigMaps;
}

/** What the content of an object is compared by. */
export function digestsOf(content: Content, digest: Digest): Map<string, string> {
  return new Map([...content].map(([key, value]) => [key, digest(value)]));
}

/**
 * Whether an object is there because a KMSSecret wanted it. One that was there before is adopted and never owned: to name it in a
 * KMSSecret would be a way to have it deleted.
 */
function isMadeByUs(live: KeptObject | undefined, owner: KmsSecret): boolean {
  if (!live) return true;
  const { annotations, ownerReferences = [] } = live.metadata;
  return annotations?.[MADE_ANNOTATION] === 'true' || ownerReferences.some(({ uid }) => uid === owner.metadata.uid);
}

function metadataOf(owner: KmsSecret, target: Target, live: KeptObject | undefined) {
  const { name, namespace, uid } = owner.metadata;
  const reference: OwnerReference = {
    apiVersion: KmsSecrets.apiVersion,
    kind: KmsSecrets.kind,
    name,
    uid: uid ?? '',
  };
  const isMade = isMadeByUs(live, owner);
  return {
    labels: { ...target.template?.metadata?.labels, 'app.kubernetes.io/managed-by': 'kms-operator' } as Record<
      string,
      string
    >,
    annotations: {
      ...target.template?.metadata?.annotations,
      [KEPT_BY_ANNOTATION]: `${namespace}/${name}`,
      ...(isMade ? { [MADE_ANNOTATION]: 'true' } : {}),
    } as Record<string, string>,
    ownerReferences: target.creationPolicy === 'Owner' && isMade ? [reference] : undefined,
  };
}

/** Labels and annotations that a template sets and the operator goes by. */
function reservedIn({ template }: Target): string[] {
  const { labels = {}, annotations = {} } = template?.metadata ?? {};
  return [...Object.keys(labels), ...Object.keys(annotations)].filter((name) =>
    name.startsWith(`${KMS_SECRET_GROUP}/`),
  );
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
          annotations: { [KEPT_BY_ANNOTATION]: null, [MADE_ANNOTATION]: null },
          labels: { 'app.kubernetes.io/managed-by': null },
        },
      };
      await api.patch(of, place, body, FIELD_MANAGER);
    }
  } catch (error) {
    if (!(error instanceof KubernetesError && error.isNotFound)) throw error;
  }
}
