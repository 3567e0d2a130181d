import type { Cluster } from './access.ts';
import { KubernetesError } from './errors.ts';
import { type ApiOptions, Exchange, linesOf, refusal, type Status, textOf } from './exchange.ts';
import { type KubernetesObject, pathOf, type Resource } from './resources.ts';

/** Where an object is. */
export interface Place {
  readonly namespace?: string;
  readonly name: string;
}

export interface ListOptions {
  /** @default - all namespaces */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ApplyOptions {
  readonly fieldManager: string;
  /** @default - the object itself */
  readonly subresource?: string;
  /** Whether fields are taken from other managers. @default true */
  readonly force?: boolean;
  /** Whether the API server only says what would come of it. @default false */
  readonly dryRun?: boolean;
}

export interface List<Found> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly Found[];
}

/** A line of a watch. */
export interface WatchEvent<Found> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: Found;
}

/** How an API server is asked for objects without what they hold: their metadata leaves it, and nothing else. */
const METADATA = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
/** Longest wait for an answer that is not a watch. */
const TIMEOUT_MS = 15_000;
/** An API server sends a bookmark each minute; a watch that is silent for longer than two is a broken connection. */
const WATCH_SILENCE_MS = 150_000;
/** The API server ends the watch after this; a new one goes on where it was. */
const WATCH_SECONDS = 300;
/** A list comes in parts of this many objects: each may be a megabyte and a half, if somebody wants it to. */
const PAGE = 25;

/**
 * An API server, as JSON over HTTPS. The library's typed clients are not used: they copy each object into classes, which took more of the
 * operator's memory than what it keeps.
 */
export class KubernetesApi {
  readonly #exchange: Exchange;
  /** Requests by verb and resource; the scale tests count them. */
  readonly counts = new Map<string, number>();

  constructor(cluster: Cluster, options: ApiOptions = {}) {
    this.#exchange = new Exchange(cluster, options);
  }

  /** The time by the API server's clock. */
  now(): Date {
    return this.#exchange.now();
  }

  /** @throws KubernetesError 404 when it is not there */
  get<Found extends KubernetesObject>(of: Resource<Found>, { namespace, name }: Place): Promise<Found> {
    return this.#json<Found>('get', of, 'GET', pathOf(of, namespace, name));
  }

  /** The metadata of an object alone. It takes the same right as `get`. @throws KubernetesError 404 when it is not there */
  metadata(of: Resource, { namespace, name }: Place): Promise<KubernetesObject> {
    return this.#json('get', of, 'GET', pathOf(of, namespace, name), { accept: METADATA });
  }

  /** Whether the API server has a kind at all, which everybody may ask. */
  async serves(of: Resource): Promise<boolean> {
    try {
      await this.#json('get', of, 'GET', pathOf({ ...of, plural: '' }).replace(/\/$/, ''));
      return true;
    } catch (error) {
      if (error instanceof KubernetesError && error.isNotFound) return false;
      throw error;
    }
  }

  /** All objects, and the version of the collection that a watch can go on from. */
  async list<Found extends KubernetesObject>(of: Resource<Found>, options: ListOptions = {}): Promise<List<Found>> {
    const items: Found[] = [];
    let metadata = { resourceVersion: '' };
    for await (const page of this.pages(of, options)) {
      items.push(...page.items);
      ({ metadata } = page);
    }
    return { metadata, items };
  }

  /** As `list`, part by part: all of what a namespace holds may be more than there is memory for. */
  async *pages<Found extends KubernetesObject>(
    of: Resource<Found>,
    options: ListOptions = {},
  ): AsyncGenerator<List<Found>, void, undefined> {
    let next: string | undefined;
    do {
      const page: List<Found> = await this.#json<List<Found>>('list', of, 'GET', pathOf(of, options.namespace), {
        query: { ...selectors(options), limit: String(PAGE), continue: next },
      });
      next = page.metadata.continue || undefined;
      yield page;
    } while (next !== undefined);
  }

  /** @throws KubernetesError 409 when it exists */
  create<Found extends KubernetesObject>(
    of: Resource<Found>,
    namespace: string | undefined,
    body: Found,
  ): Promise<Found> {
    return this.#json<Found>('create', of, 'POST', pathOf(of, namespace), { body: kindOf(of, body) });
  }

  /** Replaces the whole object. @throws KubernetesError 409 when its resourceVersion is not the present one */
  replace<Found extends KubernetesObject>(of: Resource<Found>, body: Found): Promise<Found> {
    const { namespace, name } = body.metadata;
    return this.#json<Found>('update', of, 'PUT', pathOf(of, namespace, name), { body: kindOf(of, body) });
  }

  /**
   * Server-side apply: what the body says becomes ours, what it said before and says no more goes away, and what others set stays.
   *
   * @throws KubernetesError 409 when the body names a resourceVersion that is not the present one, or without force when another
   *   manager has set one of its fields to something else
   */
  apply<Found extends KubernetesObject>(of: Resource<Found>, body: Found, options: ApplyOptions): Promise<Found> {
    const { namespace, name } = body.metadata;
    const { fieldManager, subresource, force = true, dryRun = false } = options;
    return this.#json<Found>('apply', of, 'PATCH', pathOf(of, namespace, name, subresource), {
      query: { fieldManager, force: String(force), dryRun: dryRun ? 'All' : undefined },
      body: kindOf(of, body),
      contentType: 'application/apply-patch+yaml',
    });
  }

  /** A merge patch (RFC 7386). */
  patch<Found extends KubernetesObject>(
    of: Resource<Found>,
    { namespace, name }: Place,
    body: unknown,
    fieldManager: string,
  ): Promise<Found> {
    return this.#json<Found>('patch', of, 'PATCH', pathOf(of, namespace, name), {
      query: { fieldManager },
      body,
      contentType: 'application/merge-patch+json',
    });
  }

  /** Deletes the object that has this uid, and not one of the same name that came after it. */
  async delete(of: Resource, { namespace, name }: Place, uid?: string): Promise<void> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(uid && { preconditions: { uid } }) };
    await this.#json('delete', of, 'DELETE', pathOf(of, namespace, name), { body });
  }

  /**
   * What changes after a version, until the server ends the watch, the signal does, or it breaks.
   *
   * @throws KubernetesError 410 when that version is no longer kept
   */
  async *watch<Found extends KubernetesObject>(
    of: Resource<Found>,
    options: ListOptions & { readonly resourceVersion: string; readonly signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<Found>, void, undefined> {
    this.#count('watch', of);
    const response = await this.#exchange.send('GET', pathOf(of, options.namespace), {
      query: {
        ...selectors(options),
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: options.resourceVersion,
        timeoutSeconds: String(WATCH_SECONDS),
      },
      signal: options.signal,
      timeoutMs: WATCH_SILENCE_MS,
    });
    if (response.statusCode !== 200) throw refusal(response.statusCode ?? 0, await textOf(response), response);
    try {
      for await (const line of linesOf(response)) {
        const event = JSON.parse(line) as WatchEvent<Found>;
        if (event.type === 'ERROR') {
          const status = event.object as unknown as Status;
          throw new KubernetesError(status.code ?? 0, status.reason ?? '', status.message ?? 'the watch failed');
        }
        yield event;
      }
    } finally {
      response.destroy();
    }
  }

  /** Ends kept connections. */
  close(): void {
    this.#exchange.close();
  }

  async #json<Answer>(
    verb: string,
    of: Resource,
    method: string,
    path: string,
    {
      query,
      body,
      contentType,
      accept,
    }: { query?: Record<string, string | undefined>; body?: unknown; contentType?: string; accept?: string } = {},
  ): Promise<Answer> {
    this.#count(verb, of);
    const response = await this.#exchange.send(method, path, {
      ...(query && { query }),
      ...(accept === undefined ? {} : { accept }),
      ...(body === undefined ? {} : { body: JSON.stringify(body), contentType: contentType ?? 'application/json' }),
      timeoutMs: TIMEOUT_MS,
    });
    const text = await textOf(response);
    const status = response.statusCode ?? 0;
    if (status < 200 || status > 299) throw refusal(status, text, response);
    return JSON.parse(text) as Answer;
  }

  #count(verb: string, of: Resource): void {
    const key = `${verb} ${of.plural}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }
}

function selectors({ labelSelector, fieldSelector }: ListOptions): Record<string, string | undefined> {
  return { labelSelector, fieldSelector };
}

/** Server-side apply wants both in the body; lists leave them out of their items. */
function kindOf<Found extends KubernetesObject>(of: Resource<Found>, body: Found): Found {
  return { ...body, apiVersion: of.apiVersion, kind: of.kind };
}
