import { KEPT_BY_ANNOTATION, type KmsSecret, KmsSecrets, type Target, targetsOf } from '../../operator/kms-secret.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { FIELD_MANAGER } from '../../operator/kubernetes/field-manager.ts';
import { keyOf } from '../../operator/kubernetes/reflector.ts';
import { type KubernetesObject, Secrets } from '../../operator/kubernetes/resources.ts';
import { Owners } from '../../operator/sync/owners.ts';
import { UserError } from '../problem.ts';
import type { Gaps } from './gaps.ts';

/** The Secret that was asked about. */
export interface SecretName {
  readonly namespace: string;
  readonly name: string;
}

/** Which KMSSecret keeps a Secret, and what the Secret's metadata tells. */
export interface Keeping {
  readonly kmsSecret: KmsSecret;
  readonly target: Target;
  /** Others that name the Secret, and lost it to that one. */
  readonly others: readonly KmsSecret[];
  /** null: not told. */
  readonly exists: boolean | null;
  /** Who set each key of it; undefined: not told. */
  readonly setBy: ReadonlyMap<string, string> | undefined;
}

/** What the program ends with when no KMSSecret keeps a Secret. */
const UNMANAGED = 2;

/**
 * The KMSSecret that keeps a Secret, by what KMSSecrets name: the Secret itself is asked for its metadata, and may be refused.
 *
 * @throws UserError when there is none
 */
export async function findKeeper(api: KubernetesApi, secret: SecretName, gaps: Gaps): Promise<Keeping> {
  const [metadata, kmsSecrets] = await Promise.all([lookAt(api, secret, gaps), listAll(api, secret, gaps)]);
  const owners = new Owners();
  for (const kmsSecret of kmsSecrets) owners.change(undefined, kmsSecret);
  const naming = kmsSecrets.flatMap((kmsSecret) =>
    keptBy(kmsSecret, secret.namespace)
      .filter(({ name }) => name === secret.name)
      .map((target) => ({ kmsSecret, target })),
  );
  const live = metadata ?? undefined;
  const [kept] = live?.metadata.annotations?.[KEPT_BY_ANNOTATION]?.split('/') ?? [];
  const isOwnThere = naming.some(({ kmsSecret }) => kmsSecret.metadata.namespace === secret.namespace);
  // Whether a namespace allows it is not asked: what the Secret itself says, and its own namespace, come first.
  const allows = (_namespace: string, from: string) => from === kept || !isOwnThere;
  const keeper = naming.find(({ kmsSecret, target }) => owners.rivalOf(kmsSecret, target, live, allows) === undefined);
  if (!keeper) throw unkept(secret, metadata, kmsSecrets);
  return {
    ...keeper,
    others: naming.flatMap((one) => (one === keeper ? [] : [one.kmsSecret])),
    exists: metadata === undefined ? null : metadata !== null,
    setBy: metadata === undefined ? undefined : settersOf(metadata),
  };
}

/** The Secrets of a namespace that a KMSSecret names. */
const keptBy = (kmsSecret: KmsSecret, namespace: string): Target[] =>
  targetsOf(kmsSecret).filter((target) => target.kind === 'Secret' && target.namespace === namespace);

/** null: it is not there; undefined: not told. */
function lookAt(api: KubernetesApi, secret: SecretName, gaps: Gaps): Promise<KubernetesObject | null | undefined> {
  return gaps.ask(`the Secret ${keyOf(secret)} itself`, () =>
    api.metadata(Secrets, secret).catch((error: unknown) => {
      if (error instanceof KubernetesError && error.isNotFound) return null;
      throw error;
    }),
  );
}

/** All KMSSecrets; those of the Secret's own namespace where only these may be seen. */
async function listAll(api: KubernetesApi, { namespace }: SecretName, gaps: Gaps): Promise<readonly KmsSecret[]> {
  try {
    return (await api.list(KmsSecrets)).items;
  } catch (error) {
    if (!(error instanceof KubernetesError)) throw error;
    if (error.isNotFound)
      throw new UserError(
        'this cluster has no KMSSecrets: their CustomResourceDefinition is not installed',
        'is this the cluster that you mean? --context names another',
      );
    if (error.status !== 403) throw error;
  }
  try {
    const { items } = await api.list(KmsSecrets, { namespace });
    gaps.note('KMSSecrets of other namespaces', `you may list those of ${namespace} alone`);
    return items;
  } catch (error) {
    if (!(error instanceof KubernetesError && error.status === 403)) throw error;
    throw new UserError(`you may not list KMSSecrets: ${error.message}`, 'ask an admin of the cluster for that right');
  }
}

/** By `f:data` of the API server's record of who set what: names of keys and of field managers. */
function settersOf(object: KubernetesObject | null): ReadonlyMap<string, string> {
  const setters = new Map<string, string>();
  for (const { manager = '', fieldsV1 } of object?.metadata.managedFields ?? []) {
    const data = (fieldsV1 as { 'f:data'?: Record<string, unknown> } | undefined)?.['f:data'] ?? {};
    for (const field of Object.keys(data).filter((name) => name.startsWith('f:'))) {
      const key = field.slice('f:'.length);
      if (setters.get(key) !== FIELD_MANAGER) setters.set(key, manager);
    }
  }
  return setters;
}

function unkept(
  secret: SecretName,
  found: KubernetesObject | null | undefined,
  kmsSecrets: readonly KmsSecret[],
): UserError {
  const name = keyOf(secret);
  if (found === null) {
    const kept = kmsSecrets.flatMap((kmsSecret) => keptBy(kmsSecret, secret.namespace));
    const names = [...new Set(kept.map((target) => target.name))].slice(0, 10);
    return new UserError(
      `there is no Secret ${name}, and no KMSSecret names it`,
      names.length > 0
        ? `KMSSecrets keep these in ${secret.namespace}: ${names.join(', ')}`
        : `no KMSSecret keeps a Secret in ${secret.namespace}: is this the cluster and the namespace that you mean?`,
    );
  }
  const before = found?.metadata.annotations?.[KEPT_BY_ANNOTATION];
  const [message, hint] =
    before === undefined
      ? [`no KMSSecret keeps the Secret ${name}`, originOf(found)]
      : [
          `no KMSSecret keeps the Secret ${name} any more: ${before} did, and is gone or names it no more`,
          'it holds what it held then; a KMSSecret that names it takes it over',
        ];
  return new UserError(message, hint, undefined, UNMANAGED);
}

function originOf(found: KubernetesObject | undefined): string {
  if (!found) return 'whether it is there at all you may not see';
  const controller = found.metadata.ownerReferences?.find((reference) => reference.controller);
  if (controller) return `${controller.kind} ${controller.name} makes it`;
  const managers = [...new Set(found.metadata.managedFields?.map(({ manager }) => manager))].filter(Boolean);
  const by = managers.length > 0 ? `it was set by ${managers.join(', ')}; ` : '';
  return `${by}a KMSSecret that names it takes it over`;
}
