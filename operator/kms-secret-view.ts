import { type KmsSecret, KmsSecrets } from './kms-secret.ts';
import type { KubernetesApi } from './kubernetes/api.ts';
import type { KubernetesError } from './kubernetes/errors.ts';
import { Reflector } from './kubernetes/reflector.ts';

export interface KmsSecretViewOptions {
  /** Whose KMSSecrets are kept; empty: all. */
  readonly namespaces: readonly string[];
  /** Told of each that came, changed or went. */
  readonly onChange: (key: string, before: KmsSecret | undefined, now: KmsSecret | undefined) => void;
  readonly onTrouble: (trouble: KubernetesError) => void;
}

/** The KMSSecrets that there are, by `namespace/name`. One watch of all, or one for each namespace. */
export class KmsSecretView {
  readonly #reflectors: readonly Reflector<KmsSecret, KmsSecret>[];

  constructor(api: KubernetesApi, { namespaces, onChange, onTrouble }: KmsSecretViewOptions) {
    this.#reflectors = (namespaces.length > 0 ? namespaces : [undefined]).map(
      (namespace) =>
        new Reflector(api, KmsSecrets, {
          ...(namespace === undefined ? {} : { namespace }),
          keep: withoutRecord,
          onChange: ({ key, before, now }) => onChange(key, before, now),
          onTrouble,
        }),
    );
  }

  find(key: string): KmsSecret | undefined {
    for (const reflector of this.#reflectors) {
      const found = reflector.get(key);
      if (found) return found;
    }
    return undefined;
  }

  *all(): Generator<KmsSecret> {
    for (const reflector of this.#reflectors) yield* reflector.values();
  }

  /** Resolves when each namespace was listed, or could not be. */
  async seen(): Promise<void> {
    await Promise.allSettled(this.#reflectors.map((reflector) => reflector.ready()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
  }
}

/** Who set which field is as long as the rest of a KMSSecret, and is asked for by nobody. */
function withoutRecord({ metadata: { managedFields: _, ...metadata }, ...kmsSecret }: KmsSecret): KmsSecret {
  return { ...kmsSecret, metadata };
}
