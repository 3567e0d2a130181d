import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesApi, ListOptions } from './api.ts';
import { KubernetesError } from './errors.ts';
import type { KubernetesObject, Resource } from './resources.ts';

/** Told of each change of an object: what it was before, and what it is now. One of the two is there at least. */
type Listener<Kept> = (change: {
  readonly key: string;
  readonly before: Kept | undefined;
  readonly now: Kept | undefined;
}) => void;

export interface ReflectorOptions<Found extends KubernetesObject, Kept> extends ListOptions {
  /** What is kept in memory of an object; undefined: nothing, as if it were not there. */
  readonly keep: (object: Found) => Kept | undefined;
  readonly onChange: Listener<Kept>;
  /** Told when the API server could not be asked, or keeps no history since the last look. It is tried again by itself. */
  readonly onTrouble: (trouble: KubernetesError) => void;
}

/** Waits after failures, doubled each time and scattered, so that a restarted API server is not overrun. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;

/** `namespace/name`, or the name alone of what has no namespace. */
export function keyOf({ namespace, name }: { readonly namespace?: string; readonly name: string }): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/**
 * Keeps in memory what the API server has: lists once, then follows the changes. When the changes are no longer kept (410) or the
 * stream broke in a way that leaves doubt, it lists again and tells the difference, so that nothing that was missed stays missed.
 */
export class Reflector<Found extends KubernetesObject, Kept> {
  readonly #api: KubernetesApi;
  readonly #resource: Resource<Found>;
  readonly #options: ReflectorOptions<Found, Kept>;
  readonly #kept = new Map<string, Kept>();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  readonly #synced = Promise.withResolvers<void>();
  #isSynced = false;
  /** Why the last list failed, as long as there was none. */
  #trouble: KubernetesError | undefined;
  #failed = Promise.withResolvers<void>();

  constructor(api: KubernetesApi, resource: Resource<Found>, options: ReflectorOptions<Found, Kept>) {
    this.#api = api;
    this.#resource = resource;
    this.#options = options;
    this.#done = this.#run();
  }

  /**
   * Resolves when everything was listed once.
   *
   * @throws KubernetesError while that fails, such as for want of the right
   */
  async ready(): Promise<void> {
    if (this.#isSynced) return;
    if (this.#trouble) throw this.#trouble;
    await Promise.race([this.#synced.promise, this.#failed.promise]);
    if (!this.#isSynced && this.#trouble) throw this.#trouble;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get(key: string): Kept | undefined {
    return this.#kept.get(key);
  }

  values(): IterableIterator<Kept> {
    return this.#kept.values();
  }

  get size(): number {
    return this.#kept.size;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#synced.resolve();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let wait = 0;
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version ??= await this.#list();
        for await (const event of this.#api.watch(this.#resource, {
          ...this.#options,
          resourceVersion: version,
          signal,
        })) {
          wait = 0;
          version = event.object.metadata.resourceVersion ?? version;
          if (event.type !== 'BOOKMARK') this.#take(event.object, event.type === 'DELETED');
        }
      } catch (error) {
        if (signal.aborted) return;
        const trouble = error instanceof KubernetesError ? error : new KubernetesError(0, '', String(error));
        // Only a version that is gone needs a new list; after a broken connection the watch goes on where it was.
        if (trouble.status !== 0) version = undefined;
        this.#options.onTrouble(trouble);
        this.#trouble = trouble;
        this.#failed.resolve();
        wait = Math.min(Math.max(wait * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS);
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
      }
    }
  }

  async #list(): Promise<string> {
    const gone = new Set(this.#kept.keys());
    let version = '';
    for await (const { metadata, items } of this.#api.pages(this.#resource, this.#options)) {
      version = metadata.resourceVersion;
      for (const object of items) {
        gone.delete(keyOf(object.metadata));
        this.#take(object, false);
      }
    }
    for (const key of gone) this.#set(key, undefined);
    this.#isSynced = true;
    this.#trouble = undefined;
    this.#synced.resolve();
    return version;
  }

  /** One that cannot be made sense of is told, and is as if it were not there: it must not keep all others from being seen. */
  #take(object: Found, isDeleted: boolean): void {
    const key = keyOf(object.metadata);
    let now: Kept | undefined;
    try {
      now = isDeleted ? undefined : this.#options.keep(object);
    } catch (error) {
      this.#options.onTrouble(
        new KubernetesError(0, '', `${this.#resource.kind} ${key} makes no sense: ${String(error)}`),
      );
    }
    this.#set(key, now);
  }

  #set(key: string, now: Kept | undefined): void {
    const before = this.#kept.get(key);
    if (now === undefined) this.#kept.delete(key);
    else this.#kept.set(key, now);
    if (before !== undefined || now !== undefined) this.#options.onChange({ key, before, now });
  }
}
