import type { Logger } from 'pino';
import { KmsClients } from './kms/clients.ts';
import { KmsHosts } from './kms/hosts.ts';
import { ChangeStreams } from './kms/streams.ts';
import type { KmsSecret } from './kms-secret.ts';
import { KEPT_BY_ANNOTATION, type Target, targetKey, targetsOf } from './kms-secret.ts';
import { KmsSecretView } from './kms-secret-view.ts';
import type { KubernetesApi } from './kubernetes/api.ts';
import type { Digest } from './kubernetes/digest.ts';
import { EventRecorder } from './kubernetes/event-recorder.ts';
import { isSameData, type KeptObject } from './kubernetes/kept-object.ts';
import { ObjectView } from './kubernetes/object-view.ts';
import { keyOf } from './kubernetes/reflector.ts';
import type { OperatorMetrics } from './metrics.ts';
import { NamespaceView } from './namespace-view.ts';
import { WorkQueue } from './queue/work-queue.ts';
import { Reloader } from './reload/reloader.ts';
import { Askers } from './renewal/askers.ts';
import { Renewals } from './renewal/renewals.ts';
import { Owners } from './sync/owners.ts';
import { SyncProblem } from './sync/problem.ts';
import { Reconciler } from './sync/reconciler.ts';
import { messageOf, troublesOf } from './troubles.ts';
import { credentialsOf, isSameWish, isSettled } from './wishes.ts';

/** Objects that no KMSSecret keeps: what KMS and its operator themselves start from, and what pods know the API server by. */
const RESERVED = {
  inOwn: ['kms-secrets', 'kms-operator-digests', 'kms-postgres-auth', 'kms-redis-auth'].map((name) => `Secret/${name}`),
  everywhere: ['ConfigMap/kube-root-ca.crt'],
};

export interface TermOptions {
  readonly api: KubernetesApi;
  readonly leading: AbortSignal;
  /** Its own. */
  readonly namespace: string;
  readonly instance: string;
  readonly version: string;
  readonly digest: Digest;
  /** Namespaces whose KMSSecrets are kept; empty: all. */
  readonly watchNamespaces: readonly string[];
  /** Namespaces whose Secrets and ConfigMaps are watched one by one, by name. */
  readonly secretsByName: readonly string[];
  /** Servers that client secrets are sent to; empty: any that a KMSSecret names. */
  readonly hosts: readonly string[];
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
  readonly #kmsSecrets: KmsSecretView;
  readonly #namespaces: NamespaceView;
  readonly #objects: ObjectView;
  readonly #clients: KmsClients;
  readonly #streams: ChangeStreams;
  readonly #queue: WorkQueue;
  readonly #reconciler: Reconciler;
  readonly #renewals: Renewals;
  readonly #reloader: Reloader | undefined;
  #isFollowing = false;

  constructor(options: TermOptions) {
    this.#options = options;
    const { api, leading, digest, metrics, log } = options;
    const trouble = troublesOf(metrics, log);
    const events = new EventRecorder(api, options.instance, trouble('event', 'an Event'));
    this.#clients = new KmsClients(`kms-operator/${options.version}`, digest, new KmsHosts(options.hosts));
    this.#streams = new ChangeStreams({
      onChange: (users) => this.#look(users),
      onTrouble: (users, error) => trouble('stream', [...users].slice(0, 3).join(', '))(error),
    });
    this.#objects = new ObjectView(api, {
      digest,
      byName: new Set(options.secretsByName),
      onChange: (key, before, now) => this.#objectChanged(key, before, now),
      onTrouble: (what, error) => trouble('watch', what)(error),
    });
    this.#namespaces = new NamespaceView(api, {
      onChange: (name) => this.#namespaceChanged(name),
      onTrouble: trouble('watch', 'namespaces'),
    });
    this.#kmsSecrets = new KmsSecretView(api, {
      namespaces: options.watchNamespaces,
      onChange: (key, before, now) => this.#kmsSecretChanged(key, before, now),
      onTrouble: trouble('watch', 'KMSSecrets'),
    });
    const seen = { kmsSecrets: this.#kmsSecrets, namespaces: this.#namespaces, objects: this.#objects };
    const askers = new Askers({ ...seen, owners: this.#owners });
    this.#queue = new WorkQueue({
      work: (key) => this.#work(key),
      onFailure: (key, error, waitMs) =>
        log.warn({ kmsSecret: key, problem: messageOf(error), againInMs: Math.round(waitMs) }, 'not in sync'),
      concurrency: options.concurrency,
      longestWaitMs: 60_000,
      partyOf: (key) => ({ name: key.split('/')[0]!, lane: this.#kmsSecrets.find(key)?.spec.hostAPI ?? '' }),
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
      lagging: async (objectKeys, since) => this.#reloader?.lagging(new Set(objectKeys), since),
      isCurrent: (kmsSecret) => this.#isCurrent(kmsSecret),
      allows: (namespace, from) => this.#namespaces.allows(namespace, from),
      isReserved: ({ kind, namespace, name }) =>
        RESERVED.everywhere.includes(`${kind}/${name}`) ||
        (namespace === options.namespace && RESERVED.inOwn.includes(`${kind}/${name}`)),
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
      isAsked: (place) => askers.all(place).length > 0,
      wantedBy: (place) => askers.first(place),
      copyOf: (place, secret) => askers.copyOf(place, secret),
      hostsOf: (place) => askers.hosts(place),
      certificateOf: ({ spec }) => this.#reconciler.certificate(spec),
      onTold: (place) => {
        for (const key of this.#owners.concerned(`Secret/${place}`).readers) this.#queue.add(key);
      },
    });
    this.#reloader = options.autoReload
      ? new Reloader({
          api,
          digest,
          leading,
          events,
          keptObject: (objectKey) => this.#keptObject(objectKey),
          onTrouble: (what, error) => trouble('reload', what)(error),
        })
      : undefined;
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
    await Promise.all([this.#kmsSecrets, this.#namespaces, this.#objects].map((part) => part.stop()));
    for (const { metadata } of this.#kmsSecrets.all()) this.#reconciler.forget(keyOf(metadata));
  }

  async #work(key: string): Promise<{ againInMs?: number }> {
    const kmsSecret = this.#kmsSecrets.find(key);
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
      if (!this.#kmsSecrets.find(key)) this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#reconciler.forget(key);
    const [namespace = '', name = ''] = key.split('/');
    this.#options.metrics.gone(namespace, name);
  }

  #isCurrent({ metadata }: KmsSecret): boolean {
    const now = this.#kmsSecrets.find(keyOf(metadata))?.metadata;
    return now?.uid === metadata.uid && now?.generation === metadata.generation && !now?.deletionTimestamp;
  }

  #kmsSecretChanged(key: string, before: KmsSecret | undefined, now: KmsSecret | undefined): void {
    this.#owners.change(before, now);
    for (const one of [before, now]) if (one) this.#renewals.look(credentialsOf(one));
    // Goes through all that is named, and a status changes more often than that.
    if (!before || !now || !isSameWish(before, now)) this.#follow();
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

  /** Only what somebody may name: to name namespaces that there are not would be a way to have them asked for without end. */
  #follow(): void {
    if (this.#isFollowing) return;
    this.#isFollowing = true;
    // Once for all that a list brings, and before any turn that begins with it.
    queueMicrotask(() => {
      this.#isFollowing = false;
      if (this.#options.leading.aborted) return;
      this.#objects.follow(this.#owners.objects((namespace, from) => this.#namespaces.allows(namespace, from)));
    });
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

  /** What a KMSSecret named before this replica saw either, and names no more. */
  #checkStray({ kind, metadata }: KeptObject): void {
    const keeper = metadata.annotations?.[KEPT_BY_ANNOTATION];
    const kmsSecret = keeper === undefined ? undefined : this.#kmsSecrets.find(keeper);
    if (keeper === undefined || !kmsSecret) return;
    const { namespace = '', name } = metadata;
    const target: Target = { kind, namespace, name, creationPolicy: 'Orphan', template: undefined };
    if (targetsOf(kmsSecret).some((wanted) => targetKey(wanted) === targetKey(target))) return;
    this.#reconciler.stray(keeper, target);
    this.#queue.add(keeper);
  }

  /** Whether the first sight of an object tells nothing: it was there when the KMSSecret was last in sync. */
  #isWaiting(key: string, now: KeptObject | undefined): boolean {
    const kmsSecret = this.#kmsSecrets.find(key);
    return now !== undefined && kmsSecret !== undefined && isSettled(kmsSecret);
  }

  #namespaceChanged(name: string): void {
    this.#follow();
    const concerned = [...this.#kmsSecrets.all()].filter(
      (kmsSecret) =>
        targetsOf(kmsSecret).some(({ namespace }) => namespace === name) ||
        kmsSecret.spec.authentication.universalAuth.credentialsRef.secretNamespace === name,
    );
    for (const kmsSecret of concerned) this.#renewals.look(credentialsOf(kmsSecret));
    this.#look(concerned.filter(({ metadata }) => metadata.namespace !== name).map(({ metadata }) => keyOf(metadata)));
  }

  #look(keys: Iterable<string>): void {
    for (const key of keys) {
      this.#reconciler.look(key);
      this.#queue.add(key);
    }
  }
}
