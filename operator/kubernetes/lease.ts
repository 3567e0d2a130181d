import { setTimeout as sleep } from 'node:timers/promises';
import type { KubernetesApi } from './api.ts';
import { KubernetesError } from './errors.ts';
import { findObject } from './find-object.ts';
import { type Lease, Leases } from './resources.ts';

export interface LeaseOptions {
  readonly namespace: string;
  /** Name of the Lease. @default 'kms-operator' */
  readonly name?: string;
  /** Who we are: unique among the replicas, such as the pod's name. */
  readonly identity: string;
  /** How long a leader that says nothing is still one, in milliseconds. @default 10000 */
  readonly durationMs?: number;
  /** How often it says something, and others look, in milliseconds. @default 2000 */
  readonly periodMs?: number;
  /** Told when we lead. Its signal ends when we no longer do: whoever writes looks at it before each write. */
  readonly onLead: (leading: AbortSignal) => Promise<void>;
  readonly onTrouble: (trouble: KubernetesError) => void;
}

/** A leader gives up this much before others may take over: the clocks of two machines do not run alike. */
const MARGIN = 0.7;

/**
 * One leader among replicas, by a Lease (coordination.k8s.io). Times are measured by this process's own clock, from when it saw the
 * Lease change, so that wrong clocks of other machines do no harm. A Lease does not fence: a leader that was paused may still
 * have a write under way, which is why writes carry the resource version that they were thought out for.
 */
export class LeaderElection {
  readonly #api: KubernetesApi;
  readonly #options: Required<LeaseOptions>;
  readonly #stop = new AbortController();
  #answeredAt = -Infinity;
  readonly #done: Promise<void>;
  /** What was last seen of the Lease, and when that was new to us. */
  #seen: { readonly version: string; readonly at: number } | undefined;
  #term: { readonly leading: AbortController; readonly ended: Promise<void>; timer: NodeJS.Timeout } | undefined;

  constructor(api: KubernetesApi, options: LeaseOptions) {
    this.#api = api;
    this.#options = { name: 'kms-operator', durationMs: 10_000, periodMs: 2000, ...options };
    this.#done = this.#run();
  }

  get isLeader(): boolean {
    return this.#term !== undefined && !this.#term.leading.signal.aborted;
  }

  /** Whether the API server answered within the time of a Lease. */
  get isHealthy(): boolean {
    return performance.now() - this.#answeredAt < this.#options.durationMs * 2;
  }

  /** Ends our term, waits for what was under way, and lets go of the Lease, so that another takes over at once. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
    const term = this.#term;
    await this.#endTerm();
    if (term) await this.#release().catch(() => {});
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const sent = performance.now();
      try {
        if (await this.#holdOrTake()) await this.#lead(sent);
        else await this.#endTerm();
        this.#answeredAt = performance.now();
      } catch (error) {
        const trouble = error instanceof KubernetesError ? error : new KubernetesError(0, '', String(error));
        // Somebody else wrote at the same moment: look again at the next turn.
        if (!trouble.isConflict) this.#options.onTrouble(trouble);
      }
      const wait = this.#options.periodMs * (0.8 + Math.random() * 0.4);
      await sleep(wait, undefined, { signal }).catch(() => {});
    }
  }

  /** @returns whether the Lease is ours now */
  async #holdOrTake(): Promise<boolean> {
    const lease = await this.#find();
    if (lease === undefined) {
      await this.#api.create(Leases, this.#options.namespace, this.#written(undefined));
      return true;
    }
    const holder = lease.spec?.holderIdentity;
    if (holder && holder !== this.#options.identity && this.#isFresh(lease)) return false;
    await this.#api.replace(Leases, this.#written(lease));
    return true;
  }

  #find(): Promise<Lease | undefined> {
    const { namespace, name } = this.#options;
    return findObject(this.#api, Leases, { namespace, name });
  }

  #isFresh({ metadata, spec }: Lease): boolean {
    const version = metadata.resourceVersion ?? '';
    const now = performance.now();
    if (this.#seen?.version !== version) this.#seen = { version, at: now };
    const duration = (spec?.leaseDurationSeconds ?? 0) * 1000 || this.#options.durationMs;
    return now - this.#seen.at < duration;
  }

  #written(lease: Lease | undefined): Lease {
    const { namespace, name, identity, durationMs } = this.#options;
    // Kubernetes' MicroTime has six digits.
    const now = new Date().toISOString().replace('Z', '000Z');
    const isOurs = lease?.spec?.holderIdentity === identity;
    return {
      ...lease,
      metadata: lease?.metadata ?? { name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: Math.ceil(durationMs / 1000),
        acquireTime: isOurs ? (lease?.spec?.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: (lease?.spec?.leaseTransitions ?? 0) + (lease === undefined || isOurs ? 0 : 1),
      },
    };
  }

  /** @param sent when the renewal was sent: a slow answer makes the term shorter, never longer */
  async #lead(sent: number): Promise<void> {
    if (this.#term?.leading.signal.aborted) await this.#endTerm();
    if (!this.#term) {
      const leading = new AbortController();
      const ended = this.#options.onLead(leading.signal).catch((error: unknown) => {
        this.#options.onTrouble(error instanceof KubernetesError ? error : new KubernetesError(0, '', String(error)));
        // The next turn begins a new term.
        leading.abort();
      });
      this.#term = { leading, timer: this.#endsAfter(sent, leading), ended };
      return;
    }
    clearTimeout(this.#term.timer);
    this.#term.timer = this.#endsAfter(sent, this.#term.leading);
  }

  /** By a timer of its own: the next renewal may hang, and others do not wait for it. */
  #endsAfter(sent: number, leading: AbortController): NodeJS.Timeout {
    const ms = sent + this.#options.durationMs * MARGIN - performance.now();
    return setTimeout(() => leading.abort(), Math.max(ms, 0)).unref();
  }

  async #endTerm(): Promise<void> {
    const term = this.#term;
    if (!term) return;
    clearTimeout(term.timer);
    term.leading.abort();
    await term.ended;
    this.#term = undefined;
  }

  async #release(): Promise<void> {
    const lease = await this.#find();
    if (lease?.spec?.holderIdentity !== this.#options.identity) return;
    await this.#api.replace(Leases, { ...lease, spec: { ...lease.spec, holderIdentity: '' } });
  }
}
