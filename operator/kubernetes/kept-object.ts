import type { Digest } from './digest.ts';
import { FIELD_MANAGER } from './field-manager.ts';
import type { ConfigMap, ManagedFields, Metadata, Secret } from './resources.ts';

/**
 * A Secret or ConfigMap as it is kept in memory: no value of it, only a digest for each. So a process that runs for months holds
 * no plaintext but during a sync.
 */
export interface KeptObject {
  readonly kind: 'Secret' | 'ConfigMap';
  readonly metadata: Pick<
    Metadata,
    | 'name'
    | 'namespace'
    | 'uid'
    | 'resourceVersion'
    | 'labels'
    | 'annotations'
    | 'ownerReferences'
    | 'deletionTimestamp'
  >;
  /** Of a Secret. */
  readonly type: string | undefined;
  readonly isImmutable: boolean;
  /** It has more keys than are kept: there are digests of none. */
  readonly isOversized: boolean;
  readonly digests: ReadonlyMap<string, string>;
  /** Keys of the data that the operator applied: those among them that KMS has no more are to go. */
  readonly applied: ReadonlySet<string>;
}

/** So many keys of an object are kept: a whole mebibyte of tiny ones would be thirty in memory. */
export const MOST_KEYS = 5000;

export function keepSecret(secret: Secret, digest: Digest): KeptObject {
  return kept('Secret', secret, secret.type, secret.data ?? {}, (value) => digest(Buffer.from(value, 'base64')));
}

export function keepConfigMap(configMap: ConfigMap, digest: Digest): KeptObject {
  return kept('ConfigMap', configMap, undefined, configMap.data ?? {}, digest);
}

function kept(
  kind: KeptObject['kind'],
  { metadata, immutable }: { readonly metadata: Metadata; readonly immutable?: boolean },
  type: string | undefined,
  data: Readonly<Record<string, string>>,
  digestOf: (value: string) => string,
): KeptObject {
  const {
    name,
    namespace,
    uid,
    resourceVersion,
    labels,
    annotations,
    ownerReferences,
    deletionTimestamp,
    managedFields,
  } = metadata;
  // Whoever may make Secrets makes one of two hundred thousand keys, which is thirty times its size in digests.
  const isOversized = Object.keys(data).length > MOST_KEYS;
  return {
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(labels && { labels }),
      ...(annotations && { annotations }),
      ...(ownerReferences && { ownerReferences }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    type,
    isImmutable: immutable === true,
    isOversized,
    digests: new Map(isOversized ? [] : Object.entries(data).map(([key, value]) => [key, digestOf(value)])),
    applied: appliedKeys(managedFields),
  };
}

/** Server-side apply's own record of who set what: `f:data` with a field `f:KEY` for each key. */
function appliedKeys(managedFields: readonly ManagedFields[] = []): ReadonlySet<string> {
  const ours = managedFields.find(({ manager, operation }) => manager === FIELD_MANAGER && operation === 'Apply');
  const data = (ours?.fieldsV1 as { 'f:data'?: Record<string, unknown> } | undefined)?.['f:data'] ?? {};
  return new Set(Object.keys(data).map((field) => field.replace(/^f:/, '')));
}

/** Whether two objects hold the same keys with the same values. */
export function isSameData(a: KeptObject, b: KeptObject): boolean {
  return a.digests.size === b.digests.size && [...a.digests].every(([key, digest]) => b.digests.get(key) === digest);
}
