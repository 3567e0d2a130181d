import { KEPT_BY_ANNOTATION, type KmsSecret, type Target, targetKey, targetsOf } from '../kms-secret.ts';
import type { KeptObject } from '../kubernetes/kept-object.ts';
import { keyOf } from '../kubernetes/reflector.ts';

/** What each KMSSecret names: who keeps which object, and whom a change of an object concerns. */
export class Owners {
  /** By an object's key, the KMSSecrets that keep it. */
  readonly #keepers = new Map<string, Map<string, KmsSecret>>();
  /** By an object's key, the KMSSecrets that read credentials or a certificate in it. */
  readonly #readers = new Map<string, Set<string>>();

  /** @param now undefined: the KMSSecret is gone */
  change(before: KmsSecret | undefined, now: KmsSecret | undefined): void {
    if (before) {
      for (const target of targetsOf(before)) take(this.#keepers, targetKey(target), keyOf(before.metadata));
      for (const read of readBy(before)) take(this.#readers, read, keyOf(before.metadata));
    }
    if (!now) return;
    const key = keyOf(now.metadata);
    for (const target of targetsOf(now)) {
      const keepers = this.#keepers.get(targetKey(target)) ?? new Map<string, KmsSecret>();
      this.#keepers.set(targetKey(target), keepers.set(key, now));
    }
    for (const read of readBy(now)) this.#readers.set(read, (this.#readers.get(read) ?? new Set()).add(key));
  }

  /** The KMSSecrets that keep an object, and those that read it. */
  concerned(objectKey: string): { readonly keepers: Iterable<string>; readonly readers: Iterable<string> } {
    return { keepers: this.#keepers.get(objectKey)?.keys() ?? [], readers: this.#readers.get(objectKey) ?? [] };
  }

  /**
   * The other KMSSecret that keeps a target: the one that the object names, as long as it still does; else the oldest. Two that
   * kept one object would undo each other's work for ever.
   *
   * @param allows whether a namespace lets KMSSecrets of another name objects in it: those that may not keep nothing, and to name
   *   an object first would keep its own namespace from it
   */
  rivalOf(
    kmsSecret: KmsSecret,
    target: Target,
    live: { readonly metadata: Pick<KeptObject['metadata'], 'annotations'> } | undefined,
    allows: Allows,
  ): string | undefined {
    const naming = this.#keepers.get(targetKey(target));
    if (!naming || naming.size < 2) return undefined;
    const keepers = new Map(
      [...naming].filter(([, { metadata }]) => reaches(metadata.namespace!, target.namespace, allows)),
    );
    if (keepers.size === 0) return undefined;
    const named = live?.metadata.annotations?.[KEPT_BY_ANNOTATION];
    const first =
      named !== undefined && keepers.has(named) ? named : keyOf([...keepers.values()].toSorted(byAge)[0]!.metadata);
    return first === keyOf(kmsSecret.metadata) ? undefined : first;
  }

  /** `Secret/namespace/name` or `ConfigMap/namespace/name` of everything that is named by somebody who may name it. */
  *objects(allows: Allows): Generator<string> {
    for (const [object, keepers] of this.#keepers) if (isReached(object, keepers.keys(), allows)) yield object;
    for (const [object, readers] of this.#readers) if (isReached(object, readers, allows)) yield object;
  }
}

/** Whether a namespace lets KMSSecrets of another name objects in it. */
export type Allows = (namespace: string, from: string) => boolean;

export function reaches(from: string, namespace: string, allows: Allows): boolean {
  return namespace === from || allows(namespace, from);
}

function isReached(object: string, kmsSecrets: Iterable<string>, allows: Allows): boolean {
  const namespace = object.split('/')[1]!;
  for (const kmsSecret of kmsSecrets) if (reaches(kmsSecret.split('/')[0]!, namespace, allows)) return true;
  return false;
}

function readBy({ spec }: KmsSecret): string[] {
  const { credentialsRef } = spec.authentication.universalAuth;
  const credentials = `Secret/${credentialsRef.secretNamespace}/${credentialsRef.secretName}`;
  return spec.tls
    ? [credentials, `Secret/${spec.tls.caRef.secretNamespace}/${spec.tls.caRef.secretName}`]
    : [credentials];
}

function take(from: Map<string, Map<string, unknown> | Set<string>>, key: string, what: string): void {
  const kept = from.get(key);
  kept?.delete(what);
  if (kept?.size === 0) from.delete(key);
}

function byAge({ metadata: a }: KmsSecret, { metadata: b }: KmsSecret): number {
  const [first = '', second = ''] = [a.creationTimestamp, b.creationTimestamp];
  return first.localeCompare(second) || keyOf(a).localeCompare(keyOf(b));
}
