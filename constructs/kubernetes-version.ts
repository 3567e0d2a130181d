import { z } from 'zod';

/** A minor version of Kubernetes, such as `1.30`. */
export type KubernetesVersion = `1.${number}`;

const OLDEST_MINOR = 28;
/** From here on everything that the constructs render is there without a feature gate. */
export const DEFAULT_KUBERNETES_VERSION: KubernetesVersion = '1.30';

const minorOf = (version: string) => Number(/^1\.(\d{1,3})$/.exec(version)?.[1] ?? Number.NaN);

export const KubernetesVersion = z
  .string()
  .refine((version) => Number.isFinite(minorOf(version)), 'must be a minor version such as 1.30')
  .refine(
    (version) => !(minorOf(version) < OLDEST_MINOR),
    `is older than 1.${OLDEST_MINOR}, the oldest that the manifests are for`,
  );

/** Whether a cluster of one minor has what came with another. */
export function hasWhatCameWith(since: KubernetesVersion, version: KubernetesVersion): boolean {
  return minorOf(version) >= minorOf(since);
}
