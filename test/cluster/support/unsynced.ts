import { KmsSecrets } from '../../../operator/kms-secret.ts';
import { keyOf, Reflector } from '../../../operator/kubernetes/reflector.ts';
import type { TestCluster } from './cluster.ts';

/** Every time that a KMSSecret which was in sync said that it is not, in its own words. A watch misses no state. */
export class Unsynced {
  readonly seen: string[] = [];
  readonly #reflector: Reflector<{ metadata: { name: string } }, { metadata: { name: string } }>;
  readonly #synced = new Set<string>();

  constructor(cluster: TestCluster) {
    this.#reflector = new Reflector(cluster.api, KmsSecrets, {
      keep: (kmsSecret) => kmsSecret,
      onChange: ({ now }) => {
        const synced = now?.status?.conditions?.find(({ type }) => type === 'Synced');
        if (!now || !synced) return;
        const key = keyOf(now.metadata);
        if (synced.status === 'True') this.#synced.add(key);
        else if (this.#synced.has(key)) this.seen.push(`${key} ${synced.reason}: ${synced.message}`);
      },
      onTrouble: () => undefined,
    }) as never;
  }

  stop(): Promise<void> {
    return this.#reflector.stop();
  }
}
