import type { Logger } from 'pino';
import { KmsClients } from './kms/clients.ts';
import { ChangeStreams } from './kms/streams.ts';
import type { KmsSecret } from './kms-secret.ts';
import {
  ALLOW_LABEL,
  KEPT_BY_ANNOTATION,
  KmsSecrets,
  RESYNC_ANNOTATION,
  type Target,
  targetKey,
  targetsOf,
} from './kms-secret.ts';
import type { KubernetesApi } from './kubernetes/api.ts';
import type { Digest } from './kubernetes/digest.ts';
import { KubernetesError } from './kubernetes/errors.ts';
import { EventRecorder } from './kubernetes/event-recorder.ts';
import type { KeptObject } from './kubernetes/kept-object.ts';
import { ObjectView } from './kubernetes/object-view.ts';
import { keyOf, Reflector } from './kubernetes/reflector.ts';
import { type KubernetesObject, Namespaces } from './kubernetes/resources.ts';
import type { OperatorMetrics } from './metrics.ts';
import { WorkQueue } from './queue/work-queue.ts';
import { laggingPods } from './reload/lagging.ts';
import { Reloader } from './reload/reloader.ts';
import { workloadKey } from './reload/workload-view.ts';
import { Renewals } from './renewal/renewals.ts';
import { Owners } from './sync/owners.ts';
import { SyncProblem } from './sync/problem.ts';
import { Reconciler } from './sync/reconciler.ts';

export interface TermOptions {
  readonly api: KubernetesApi;
  readonly leading: AbortSignal;
  readonly instance: string;
  readonly version: string;
  readonly digest: Digest;
  /** Namespaces whose KMSSecrets are kept; empty: all. */
  readonly watchNamespaces: readonly string[];
  /** Namespaces whose Secrets and ConfigMaps are watched one by one, by name. */
  readonly secretsByName: readonly string[];
  readonly concurrency: number;
  /** Whether workloads are restarted that ask for it. */
  readonly autoReload: boolean;
  readonly metrics: OperatorMetrics;
  readonly log: Logger;
}

/** One replica's time as the leader: everything that watches and writes, from nothing, and gone when it ends. */
export class Term {
  readonly #options: TermOptions;
  readonly #owners = new Owners();
  readonly #kmsSecrets: Reflector<KmsSecret, KmsSecret>[];
  readonly #namespaces: Reflector<KubernetesObject, KubernetesObject>;
  readonly #objects: ObjectView;
  readonly #clients: KmsClients;
  readonly #streams: ChangeStreams;
  readonly #queue: WorkQueue;
  readonly #reconciler: Reconciler;
  readonly #renewals: Renewals;
  readonly #reloader: Reloader | undefined;

  constructor(options: TermOptions) {
    this.#options = options;
    const {
      api,
      leading,
      instance,
      version,
      digest,
      watchNamespaces,
      secretsByName,
      concurrency,
      autoReload,
      metrics,
      log,
    } = options;
    const events = new EventRecorder(api, instance, (error) => trouble('event', 'an Event')(error));
    const trouble = (what: 'watch' | 'stream' | 'event' | 'reload', detail: string) => (error: unknown) => {
      if (error instanceof KubernetesError && error.isExpired) {
        metrics.trouble('expired');
        log.info({ what: detail }, 'the history since the last look is gone, all is listed again');
        return;
      }
      metrics.trouble(what);
      log.warn({ what: detail, problem: messageOf(error) }, 'trouble, tried again');
    };
    this.#clients = new KmsClients(`kms-operator/${version}`, digest);
    this.#streams = new ChangeStreams({
      onChange: (users) => this.#look(users),
      onTrouble: (users, error) => trouble('stream', [...users].slice(0, 3).join(', '))(error),
    });
    this.#objects = new ObjectView(api, {
      digest,
      byName: new Set(secretsByName),
      onChange: (key, before, now) => this.#objectChanged(key, before, now),
      onTrouble: (what, error) => trouble('watch', what)(error),
    });
    this.#namespaces = new Reflector(api, Namespaces, {
      keep: ({ metadata: { name, labels } }) => ({ metadata: { name, ...(labels && { labels }) } }),
      onChange: ({ key, before, now }) => this.#namespaceChanged(key, before, now),
      onTrouble: trouble('watch', 'namespaces'),
    });
    this.#queue = new WorkQueue({
      work: (key) => this.#work(key),
      onFailure: (key, error, waitMs) =>
        log.warn({ kmsSecret: key, problem: messageOf(error), againInMs: Math.round(waitMs) }, 'not in sync'),
      concurrency,
      longestWaitMs: 60_000,
    });
    this.#reconciler = new Reconciler({
      api,
      leading,
      digest,
      objects: this.#objects,
      owners: this.#owners,
      clients: this.#clients,
      streams: this.#streams,
      events,
      onSynced: (key, facts) => log.info({ kmsSecret: key, ...facts }, 'in sync'),
      lagging: (objectKeys, since) => this.#lagging(new Set(objectKeys), since),
      isCurrent: (kmsSecret) => this.#isCurrent(kmsSecret),
      allows: (namespace, from) => this.#allows(namespace, from),
      renewal: (place) => this.#renewals.told(place),
    });
    this.#renewals = new Renewals({
      api,
      leading,
      digest,
      clients: this.#clients,
      events,
      metrics,
      log,
      isAsked: (place) => this.#askers(place).length > 0,
      wantedBy: (place) => this.#wantedBy(place),
      copyOf: (place, secret) => this.#copyOf(place, secret),
      certificateOf: ({ spec }) => this.#reconciler.certificate(spec),
      onTold: (place) => {
        for (const key of this.#owners.concerned(`Secret/${place}`).readers) this.#queue.add(key);
      },
    });
    this.#reloader = autoReload
      ? new Reloader({
          api,
          digest,
          leading,
          events,
          keptObject: (objectKey) => this.#keptObject(objectKey),
          onTrouble: (what, error) => trouble('reload', what)(error),
        })
      : undefined;
    this.#kmsSecrets = (watchNamespaces.length > 0 ? watchNamespaces : [undefined]).map(
      (namespace) =>
        new Reflector(api, KmsSecrets, {
          ...(namespace === undefined ? {} : { namespace }),
          keep: withoutRecord,
          onChange: ({ key, before, now }) => this.#kmsSecretChanged(key, before, now),
          onTrouble: trouble('watch', 'KMSSecrets'),
        }),
    );
  }

  /** Number of KMSSecrets that wait for their turn. */
  get depth(): number {
    return this.#queue.depth;
  }

  /** Resolves when the term has ended and nothing of it is under way. */
  async run(): Promise<void> {
    const { leading } = this.#options;
    if (!leading.aborted) await new Promise((resolve) => leading.addEventListener('abort', resolve, { once: true }));
    await Promise.all([this.#queue.stop(), this.#renewals.stop()]);
    await this.#reloader?.stop();
    await Promise.all([...this.#kmsSecrets, this.#namespaces, this.#objects].map((part) => part.stop()));
    for (const key of this.#keys()) this.#reconciler.forget(key);
  }

  async #work(key: string): Promise<{ againInMs?: number }> {
    const kmsSecret = this.#find(key);
    if (!kmsSecret || this.#options.leading.aborted) return {};
    // What the namespaces allow is not known before they are.
    await this.#namespaces.ready();
    const { name, namespace = '' } = kmsSecret.metadata;
    const start = performance.now();
    const told = (reason: string) =>
      this.#options.metrics.turn(namespace, name, reason, (performance.now() - start) / 1000);
    try {
      const outcome = await this.#reconciler.reconcile(kmsSecret);
      told(kmsSecret.spec.suspend ? 'Suspended' : 'Synced');
      return outcome;
    } catch (error) {
      told(error instanceof SyncProblem ? error.reason : (error as Error).name);
      throw error;
    } finally {
      // Deleted meanwhile: what this turn remembered goes, too.
      if (!this.#find(key)) this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#reconciler.forget(key);
    const [namespace = '', name = ''] = key.split('/');
    this.#options.metrics.gone(namespace, name);
  }

  #isCurrent({ metadata }: KmsSecret): boolean {
    const now = this.#find(keyOf(metadata))?.metadata;
    return now?.uid === metadata.uid && now?.generation === metadata.generation && !now?.deletionTimestamp;
  }

  #kmsSecretChanged(key: string, before: KmsSecret | undefined, now: KmsSecret | undefined): void {
    this.#owners.change(before, now);
    for (const one of [before, now]) if (one) this.#renewals.look(credentialsOf(one));
    this.#objects.follow(this.#owners.objects());
    if (!now || now.metadata.deletionTimestamp !== undefined) {
      this.#queue.forget(key);
      this.#forget(key);
      return;
    }
    if (before && isSameWish(before, now)) return;
    if (before?.metadata.uid === now.metadata.uid)
      for (const target of before ? targetsOf(before) : []) this.#reconciler.stray(key, target);
    if (!before && isSettled(now)) this.#queue.addIn(key, Math.random() * now.spec.resyncInterval * 1000);
    else this.#queue.add(key);
  }

  #objectChanged(key: string, before: KeptObject | undefined, now: KeptObject | undefined): void {
    const { keepers, readers } = this.#owners.concerned(key);
    for (const keeper of keepers) if (before || !this.#isWaiting(keeper, now)) this.#queue.add(keeper);
    if (!before && now) this.#checkStray(now);
    if (now?.kind === 'Secret') this.#renewals.look(`${now.metadata.namespace}/${now.metadata.name}`);
    if (before && now && isSameData(before, now)) return;
    this.#look(readers);
    if (now) this.#reloader?.changed(key);
  }

  #keptObject(objectKey: string): KeptObject | undefined {
    const [kind, namespace = '', name = ''] = objectKey.split('/') as [KeptObject['kind'], string, string];
    const object = this.#objects.get(kind, namespace, name);
    return object?.metadata.annotations?.[KEPT_BY_ANNOTATION] === undefined ? undefined : object;
  }

  async #lagging(objectKeys: ReadonlySet<string>, since: string): Promise<string | undefined> {
    const users = new Map(
      [...objectKeys].flatMap((key) => this.#reloader?.usersOf(key) ?? []).map((user) => [workloadKey(user), user]),
    );
    return laggingPods(this.#options.api, [...users.values()], objectKeys, since);
  }

  /** What a KMSSecret named before this replica saw either, and names no more. */
  #checkStray({ kind, metadata }: KeptObject): void {
    const keeper = metadata.annotations?.[KEPT_BY_ANNOTATION];
    const kmsSecret = keeper === undefined ? undefined : this.#find(keeper);
    if (keeper === undefined || !kmsSecret) return;
    const { namespace = '', name } = metadata;
    const target: Target = { kind, namespace, name, creationPolicy: 'Orphan', template: undefined };
    if (targetsOf(kmsSecret).some((wanted) => targetKey(wanted) === targetKey(target))) return;
    this.#reconciler.stray(keeper, target);
    this.#queue.add(keeper);
  }

  /** Whether the first sight of an object tells nothing: it was there when the KMSSecret was last in sync. */
  #isWaiting(key: string, now: KeptObject | undefined): boolean {
    const kmsSecret = this.#find(key);
    return now !== undefined && kmsSecret !== undefined && isSettled(kmsSecret);
  }

  #namespaceChanged(name: string, before: KubernetesObject | undefined, now: KubernetesObject | undefined): void {
    if (before?.metadata.labels?.[ALLOW_LABEL] === now?.metadata.labels?.[ALLOW_LABEL]) return;
    const concerned = [...this.#all()].filter(
      (kmsSecret) =>
        targetsOf(kmsSecret).some(({ namespace }) => namespace === name) ||
        kmsSecret.spec.authentication.universalAuth.credentialsRef.secretNamespace === name,
    );
    for (const kmsSecret of concerned) this.#renewals.look(credentialsOf(kmsSecret));
    if (before || now)
      this.#look(
        concerned.filter(({ metadata }) => metadata.namespace !== name).map(({ metadata }) => keyOf(metadata)),
      );
  }

  #look(keys: Iterable<string>): void {
    for (const key of keys) {
      this.#reconciler.look(key);
      this.#queue.add(key);
    }
  }

  /** The KMSSecrets that want a Secret's client secret renewed, in one order. */
  #askers(place: string): KmsSecret[] {
    return [...this.#owners.concerned(`Secret/${place}`).readers].toSorted().flatMap((key) => {
      const found = this.#find(key);
      const isAsked =
        found?.spec.authentication.universalAuth.renewal?.enabled === true &&
        credentialsOf(found) === place &&
        !found.spec.suspend &&
        found.metadata.deletionTimestamp === undefined;
      return isAsked ? [found] : [];
    });
  }

  /** The first of those, whose namespace may have it written. */
  async #wantedBy(place: string): Promise<KmsSecret | undefined> {
    await this.#namespaces.ready();
    const [namespace = ''] = place.split('/');
    return this.#askers(place).find(
      ({ metadata }) => metadata.namespace === namespace || this.#allows(namespace, metadata.namespace!),
    );
  }

  /** Another Secret that a KMSSecret logs in with, and that holds this client secret. Waits until all that can be seen was. */
  async #copyOf(place: string, secret: string): Promise<string | undefined> {
    const unseen = () => undefined;
    await Promise.all(this.#kmsSecrets.map((reflector) => reflector.ready().catch(unseen)));
    const others = new Set([...this.#all()].map(credentialsOf));
    others.delete(place);
    for (const other of others) {
      const [namespace = '', name = ''] = other.split('/');
      await this.#objects.ready('Secret', namespace, name).catch(unseen);
      if (this.#objects.get('Secret', namespace, name)?.digests.get('clientSecret') === secret) return other;
    }
    return undefined;
  }

  #allows(namespace: string, from: string): boolean {
    const label = this.#namespaces.get(namespace)?.metadata.labels?.[ALLOW_LABEL];
    return label === 'all' || (label?.split('_').includes(from) ?? false);
  }

  #find(key: string): KmsSecret | undefined {
    for (const reflector of this.#kmsSecrets) {
      const found = reflector.get(key);
      if (found) return found;
    }
    return undefined;
  }

  *#all(): Generator<KmsSecret> {
    for (const reflector of this.#kmsSecrets) yield* reflector.values();
  }

  #keys(): string[] {
    return [...this.#all()].map(({ metadata }) => keyOf(metadata));
  }
}

/** Who set which field is as long as the rest of a KMSSecret, and is asked for by nobody. */
function withoutRecord({ metadata: { managedFields: _, ...metadata }, ...kmsSecret }: KmsSecret): KmsSecret {
  return { ...kmsSecret, metadata };
}

/** The Secret that it logs in with, `namespace/name`. */
function credentialsOf({ spec }: KmsSecret): string {
  const { secretName, secretNamespace } = spec.authentication.universalAuth.credentialsRef;
  return `${secretNamespace}/${secretName}`;
}

/** Whether nothing that somebody wishes has changed: the rest is our own status. */
function isSameWish(a: KmsSecret, b: KmsSecret): boolean {
  return (
    a.metadata.uid === b.metadata.uid &&
    a.metadata.generation === b.metadata.generation &&
    a.metadata.annotations?.[RESYNC_ANNOTATION] === b.metadata.annotations?.[RESYNC_ANNOTATION]
  );
}

/** Whether it was in sync when this replica first saw it: then its next look can wait for its turn within the interval. */
function isSettled({ metadata, status }: KmsSecret): boolean {
  const synced = status?.conditions?.find(({ type }) => type === 'Synced');
  return synced?.status === 'True' && synced.observedGeneration === metadata.generation;
}

function isSameData(a: KeptObject, b: KeptObject): boolean {
  return a.digests.size === b.digests.size && [...a.digests].every(([key, digest]) => b.digests.get(key) === digest);
}

/** Messages of ours and of the API server name things and never hold a value. */
function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
