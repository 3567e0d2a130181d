import { minorOf } from '../contracts/index.ts';

/** A minor version of Kubernetes, such as `1.30`. */
export type KubernetesVersion = `1.${number}`;

/** Whether a cluster of one minor has what came with another. */
export function hasWhatCameWith(since: KubernetesVersion, version: string): boolean {
  return minorOf(version) >= minorOf(since);
}
