import { createHmac, randomBytes } from 'node:crypto';
import type { ConfigMap, ManagedFields, Metadata, Secret } from './resources.ts';

/** The operator's name as a field manager: what it applied is its own to take away again. */
export const FIELD_MANAGER = 'kms-operator';

/** Lives as long as the process: digests tell whether two values are one, and nothing else to anybody. */
const KEY = randomBytes(32);

/** What a value is compared by. */
export function digestOf(value: string | Buffer): string {
  return createHmac('sha256', KEY).update(value).digest('base64url').slice(0, 22);
}

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
  readonly digests: ReadonlyMap<string, string>;
  /** Keys of the data that the operator applied: those among them that KMS has no more are to go. */
  readonly applied: ReadonlySet<string>;
}

export function keepSecret(secret: Secret): KeptObject {
  return kept('Secret', secret, secret.type, secret.data ?? {}, (value) => Buffer.from(value, 'base64'));
}

export function keepConfigMap(configMap: ConfigMap): KeptObject {
  return kept('ConfigMap', configMap, undefined, configMap.data ?? {}, (value) => value);
}

function kept(
  kind: KeptObject['kind'],
  { metadata, immutable }: { readonly metadata: Metadata; readonly immutable?: boolean },
  type: string | undefined,
  data: Readonly<Record<string, string>>,
  bytesOf: (value: string) => string | Buffer,
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
    digests: new Map(Object.entries(data).map(([key, value]) => [key, digestOf(bytesOf(value))])),
    applied: appliedKeys(managedFields),
  };
}

/** Server-side apply's own record of who set what: `f:data` with a field `f:KEY` for each key. */
function appliedKeys(managedFields: readonly ManagedFields[] = []): ReadonlySet<string> {
  const ours = managedFields.find(({ manager, operation }) => manager === FIELD_MANAGER && operation === 'Apply');
  const data = (ours?.fieldsV1 as { 'f:data'?: Record<string, unknown> } | undefined)?.['f:data'] ?? {};
  return new Set(Object.keys(data).map((field) => field.replace(/^f:/, '')));
}
