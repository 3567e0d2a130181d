import type { KubernetesApi } from './api.ts';
import type { Digest } from './digest.ts';
import { KubernetesError } from './errors.ts';
import { type KeptObject, keepConfigMap, keepSecret } from './kept-object.ts';
import { Reflector } from './reflector.ts';
import { ConfigMaps, type Secret, Secrets } from './resources.ts';

export interface ObjectViewOptions {
  readonly digest: Digest;
  /** Namespaces whose objects are watched one by one, by name, and whose other objects are never asked for. */
  readonly byName: ReadonlySet<string>;
  /** `Secret/namespace/name` of each object that changed or went away. */
  readonly onChange: (key: string, before: KeptObject | undefined, now: KeptObject | undefined) => void;
  readonly onTrouble: (what: string, trouble: KubernetesError) => void;
}

type Kind = KeptObject['kind'];
/** What is used of a reflector, whatever it lists. */
type Kept = Pick<Reflector<Secret, KeptObject>, 'get' | 'ready' | 'stop'>;

/**
 * Objects that are watched by name, in all. Each is a connection that stays open, and a watch that the API server serves: many of
 * them cost more than one of the whole namespace.
 */
const WATCHES_BY_NAME_AT_MOST = 500;
/** Of one namespace, or whoever writes KMSSecrets there could take those of all others. */
export const WATCHES_BY_NAME_OF_ONE = 100;

/**
 * The Secrets and ConfigMaps that KMSSecrets name, as digests. One watch for each kind and namespace, which is as narrow as a Role can be
 * without naming each object; where it names each, one for each object.
 */
export class ObjectView {
  readonly #api: KubernetesApi;
  readonly #options: ObjectViewOptions;
  readonly #reflectors = new Map<string, Kept>();
  /** How many are watched by name, by namespace. */
  readonly #byName = new Map<string, number>();

  constructor(api: KubernetesApi, options: ObjectViewOptions) {
    this.#api = api;
    this.#options = options;
  }

  /**
   * Begins to watch what is not watched yet, and ends what nobody needs any more.
   *
   * @param objects `Secret/namespace/name` or `ConfigMap/namespace/name` of all that is named
   */
  follow(objects: Iterable<string>): void {
    const wanted = new Set<string>();
    for (const object of objects) wanted.add(this.#watchOf(object));
    for (const [watch, reflector] of this.#reflectors) {
      if (wanted.has(watch)) continue;
      this.#reflectors.delete(watch);
      if (isOfOne(watch)) this.#count(watch, -1);
      void reflector.stop();
    }
    for (const watch of wanted) {
      if (this.#reflectors.has(watch)) continue;
      if (isOfOne(watch) && !this.#hasRoom(watch)) continue;
      if (isOfOne(watch)) this.#count(watch, 1);
      this.#reflectors.set(watch, this.#start(watch));
    }
  }

  /** Resolves when it is known whether an object is there. @throws KubernetesError while that cannot be asked */
  async ready(kind: Kind, namespace: string, name: string): Promise<void> {
    const watch = this.#watchOf(`${kind}/${namespace}/${name}`);
    const reflector = this.#reflectors.get(watch);
    if (!reflector && isOfOne(watch))
      throw new KubernetesError(
        0,
        '',
        `${WATCHES_BY_NAME_OF_ONE} objects of a namespace are watched by name, ${WATCHES_BY_NAME_AT_MOST} in all, and ${watch} is one too many: give the operator a whole namespace by secretNamespaces of KmsOperator`,
      );
    if (!reflector) throw new KubernetesError(0, '', `${watch} is not watched yet`);
    await reflector.ready();
  }

  get(kind: Kind, namespace: string, name: string): KeptObject | undefined {
    const key = `${kind}/${namespace}/${name}`;
    return this.#reflectors.get(this.#watchOf(key))?.get(`${namespace}/${name}`);
  }

  /** Whether the objects of a namespace are watched one by one. */
  isByName(namespace: string): boolean {
    return this.#options.byName.has(namespace);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#reflectors.values()].map((reflector) => reflector.stop()));
    this.#reflectors.clear();
    this.#byName.clear();
  }

  /** `Secret/namespace`, or `Secret/namespace/name` where each is watched by itself. */
  #watchOf(object: string): string {
    const end = object.lastIndexOf('/');
    const isByName = this.#options.byName.has(object.slice(object.indexOf('/') + 1, end));
    return isByName ? object : object.slice(0, end);
  }

  #hasRoom(watch: string): boolean {
    const inAll = [...this.#byName.values()].reduce((sum, count) => sum + count, 0);
    return inAll < WATCHES_BY_NAME_AT_MOST && (this.#byName.get(namespaceOf(watch)) ?? 0) < WATCHES_BY_NAME_OF_ONE;
  }

  #count(watch: string, by: 1 | -1): void {
    const namespace = namespaceOf(watch);
    this.#byName.set(namespace, (this.#byName.get(namespace) ?? 0) + by);
  }

  #start(watch: string): Kept {
    const { digest } = this.#options;
    const [kind, namespace, name] = watch.split('/') as [Kind, string, string | undefined];
    const common = {
      namespace,
      ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
      onChange: ({ key, before, now }: { key: string; before: KeptObject | undefined; now: KeptObject | undefined }) =>
        this.#options.onChange(`${kind}/${key}`, before, now),
      onTrouble: (trouble: KubernetesError) =>
        this.#options.onTrouble(
          name === undefined ? `${kind}s of ${namespace}` : `${kind} ${namespace}/${name}`,
          trouble,
        ),
    };
    return kind === 'Secret'
      ? new Reflector(this.#api, Secrets, { ...common, keep: (secret) => keepSecret(secret, digest) })
      : new Reflector(this.#api, ConfigMaps, { ...common, keep: (configMap) => keepConfigMap(configMap, digest) });
  }
}

const isOfOne = (watch: string): boolean => watch.split('/').length === 3;
const namespaceOf = (watch: string): string => watch.split('/')[1]!;
