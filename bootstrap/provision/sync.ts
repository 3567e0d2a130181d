import { setTimeout as sleep } from 'node:timers/promises';
import { type KmsSecret, KmsSecrets } from '../../operator/kms-secret.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import { findObject } from '../../operator/kubernetes/find-object.ts';
import { type NamespacedPlace, placeOf } from '../cluster/secrets.ts';

/** Whether a KMSSecret has made its Secret equal to KMS, and why not. */
export interface SyncState extends NamespacedPlace {
  readonly inSync: boolean;
  readonly reason: string;
  readonly message: string;
}

const BETWEEN_MS = 1000;
const TOLD_EVERY_MS = 10_000;

/** Waits until KMSSecrets are in sync, and tells how each one is then; those that are not when the time is over, too. */
export async function untilInSync(
  api: KubernetesApi,
  places: readonly NamespacedPlace[],
  { seconds, signal, say }: { seconds: number; signal: AbortSignal; say: (line: string) => void },
): Promise<SyncState[]> {
  const until = performance.now() + seconds * 1000;
  let told = performance.now();
  for (;;) {
    const states = await Promise.all(places.map((place) => stateOf(api, place)));
    const lacking = states.filter(({ inSync }) => !inSync);
    if (lacking.length === 0 || performance.now() >= until) return states;
    if (performance.now() - told >= TOLD_EVERY_MS) {
      told = performance.now();
      say(`waiting for ${lacking.map((one) => `${placeOf(one)} (${one.reason})`).join(', ')}`);
    }
    await sleep(BETWEEN_MS, undefined, { signal });
  }
}

async function stateOf(api: KubernetesApi, place: NamespacedPlace): Promise<SyncState> {
  const found = await findObject(api, KmsSecrets, place);
  if (!found) return { ...place, inSync: false, reason: 'Missing', message: 'there is no such KMSSecret' };
  const synced = syncedOf(found);
  if (!synced)
    return { ...place, inSync: false, reason: 'NotLookedAt', message: 'no operator has looked at it: does one run?' };
  return { ...place, inSync: synced.status === 'True', reason: synced.reason, message: synced.message };
}

/** What the operator said of the KMSSecret as it is now. */
function syncedOf({ metadata, status }: KmsSecret) {
  return status?.conditions?.find(
    ({ type, observedGeneration = 0 }) => type === 'Synced' && observedGeneration >= (metadata.generation ?? 0),
  );
}
