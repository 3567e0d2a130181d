import { ALLOW_LABEL } from './kms-secret.ts';
import type { KubernetesApi } from './kubernetes/api.ts';
import type { KubernetesError } from './kubernetes/errors.ts';
import { Reflector } from './kubernetes/reflector.ts';
import { type KubernetesObject, Namespaces } from './kubernetes/resources.ts';

export interface NamespaceViewOptions {
  /** Told when a namespace allows others than before. */
  readonly onChange: (name: string) => void;
  readonly onTrouble: (trouble: KubernetesError) => void;
}

/** What the namespaces allow, by their labels. */
export class NamespaceView {
  readonly #reflector: Reflector<KubernetesObject, { readonly allowed: string | undefined }>;

  constructor(api: KubernetesApi, { onChange, onTrouble }: NamespaceViewOptions) {
    this.#reflector = new Reflector(api, Namespaces, {
      keep: ({ metadata: { labels } }) => ({ allowed: labels?.[ALLOW_LABEL] }),
      onChange: ({ key, before, now }) => {
        if (before?.allowed !== now?.allowed) onChange(key);
      },
      onTrouble,
    });
  }

  /** Resolves when they were listed. @throws KubernetesError while that fails */
  ready(): Promise<void> {
    return this.#reflector.ready();
  }

  /** Whether a namespace lets KMSSecrets of another name objects in it. */
  allows(namespace: string, from: string): boolean {
    const allowed = this.#reflector.get(namespace)?.allowed;
    return allowed === 'all' || (allowed?.split('_').includes(from) ?? false);
  }

  stop(): Promise<void> {
    return this.#reflector.stop();
  }
}
