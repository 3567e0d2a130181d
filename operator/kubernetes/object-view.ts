import type { KubernetesApi } from './api.ts';
import type { Digest } from './digest.ts';
import type { KubernetesError } from './errors.ts';
import { type KeptObject, keepConfigMap, keepSecret } from './kept-object.ts';
import { Reflector } from './reflector.ts';
import { ConfigMaps, type Secret, Secrets } from './resources.ts';

export interface ObjectViewOptions {
  readonly digest: Digest;
  /** `Secret/namespace/name` of each object that changed or went away. */
  readonly onChange: (key: string, before: KeptObject | undefined, now: KeptObject | undefined) => void;
  readonly onTrouble: (what: string, trouble: KubernetesError) => void;
}

type Kind = KeptObject['kind'];
/** What is used of a reflector, whatever it lists. */
type Kept = Pick<Reflector<Secret, KeptObject>, 'get' | 'values' | 'ready' | 'stop'>;

/**
 * The Secrets and ConfigMaps of the namespaces that are of interest, as digests. One watch for each kind and namespace, which is as
 * narrow as a Role can be without naming each object.
 */
export class ObjectView {
  readonly #api: KubernetesApi;
  readonly #options: ObjectViewOptions;
  readonly #reflectors = new Map<string, Kept>();

  constructor(api: KubernetesApi, options: ObjectViewOptions) {
    this.#api = api;
    this.#options = options;
  }

  /** Begins to watch what is not watched yet, and ends what nobody needs any more. */
  follow(wanted: ReadonlySet<string>): void {
    for (const key of wanted) {
      if (this.#reflectors.has(key)) continue;
      const [kind, namespace] = key.split('/') as [Kind, string];
      this.#reflectors.set(key, this.#start(kind, namespace));
    }
    for (const [key, reflector] of this.#reflectors) {
      if (wanted.has(key)) continue;
      this.#reflectors.delete(key);
      void reflector.stop();
    }
  }

  /** Resolves when the objects of a kind in a namespace are known. @throws KubernetesError while they cannot be listed */
  async ready(kind: Kind, namespace: string): Promise<void> {
    await this.#reflectors.get(`${kind}/${namespace}`)?.ready();
  }

  get(kind: Kind, namespace: string, name: string): KeptObject | undefined {
    return this.#reflectors.get(`${kind}/${namespace}`)?.get(`${namespace}/${name}`);
  }

  *values(): Generator<KeptObject> {
    for (const reflector of this.#reflectors.values()) yield* reflector.values();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#reflectors.values()].map((reflector) => reflector.stop()));
    this.#reflectors.clear();
  }

  #start(kind: Kind, namespace: string): Kept {
    const { digest } = this.#options;
    const common = {
      namespace,
      onChange: ({ key, before, now }: { key: string; before: KeptObject | undefined; now: KeptObject | undefined }) =>
        this.#options.onChange(`${kind}/${key}`, before, now),
      onTrouble: (trouble: KubernetesError) => this.#options.onTrouble(`${kind}s of ${namespace}`, trouble),
    };
    return kind === 'Secret'
      ? new Reflector(this.#api, Secrets, { ...common, keep: (secret) => keepSecret(secret, digest) })
      : new Reflector(this.#api, ConfigMaps, { ...common, keep: (configMap) => keepConfigMap(configMap, digest) });
  }
}
