import { randomBytes } from 'node:crypto';
import type { KubernetesApi, Place } from '../../operator/kubernetes/api.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { findObject } from '../../operator/kubernetes/find-object.ts';
import { type Secret, Secrets } from '../../operator/kubernetes/resources.ts';

/** A place within a namespace. */
export type NamespacedPlace = Required<Place>;

/** What `kms-bootstrap` writes into objects of others, such as a service's bootstrap Secret. */
export const FIELD_MANAGER = 'kms-bootstrap';

/** What is only tried: by the API server, which stores nothing, or not even by it. */
export type DryRun = 'checked' | 'unchecked';

/** `namespace/name`. */
export const placeOf = ({ namespace, name }: NamespacedPlace) => `${namespace}/${name}`;

/** What a Secret holds, as text. */
export function textsOf(secret: Pick<Secret, 'data'>): Record<string, string> {
  return Object.fromEntries(Object.entries(secret.data ?? {}).map(([key, value]) => [key, fromBase64(value)]));
}

const fromBase64 = (value: string) => Buffer.from(value, 'base64').toString('utf8');

/** Texts as a Secret holds them. */
export function dataOf(texts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).flatMap(([key, text]) =>
      text === undefined ? [] : [[key, Buffer.from(text, 'utf8').toString('base64')]],
    ),
  );
}

/**
 * Makes a Secret, and never changes one that is there. Not by POST, which a Role cannot limit to a name: by a server-side apply, whose
 * manager is a new one each time and takes nothing from others. What somebody else made in the same moment is then a conflict.
 *
 * @returns false when there is one already
 */
export async function makeSecret(api: KubernetesApi, secret: Secret, dryRun?: DryRun): Promise<boolean> {
  const { namespace, name } = secret.metadata;
  if (dryRun === 'unchecked') return true;
  const before = await findObject(api, Secrets, { name, ...(namespace !== undefined && { namespace }) });
  if (before) return false;
  const fieldManager = `${FIELD_MANAGER}-${randomBytes(4).toString('hex')}`;
  try {
    await api.apply(Secrets, secret, { fieldManager, force: false, dryRun: dryRun === 'checked' });
    return true;
  } catch (error) {
    // An immutable one that came in between is told as invalid (422), any other as a conflict.
    if (error instanceof KubernetesError && (error.isConflict || error.status === 422)) {
      if (await findObject(api, Secrets, { name, ...(namespace !== undefined && { namespace }) })) return false;
    }
    throw error;
  }
}
