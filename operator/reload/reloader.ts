import type { KubernetesApi } from '../kubernetes/api.ts';
import type { Digest } from '../kubernetes/digest.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import type { EventRecorder } from '../kubernetes/event-recorder.ts';
import { FIELD_MANAGER } from '../kubernetes/field-manager.ts';
import type { KeptObject } from '../kubernetes/kept-object.ts';
import { WorkQueue } from '../queue/work-queue.ts';
import { laggingPods } from './lagging.ts';
import { CONTENT_ANNOTATION, type KeptWorkload, objectKeyOf, WorkloadView, workloadKey } from './workload-view.ts';

export interface ReloaderParts {
  readonly api: KubernetesApi;
  readonly digest: Digest;
  readonly events: EventRecorder;
  readonly leading: AbortSignal;
  /** An object that a KMSSecret keeps, `Secret/namespace/name`; undefined when none does. */
  readonly keptObject: (objectKey: string) => KeptObject | undefined;
  readonly onTrouble: (what: string, error: unknown) => void;
  /** How long it waits for more changes, in milliseconds. @default 2000 */
  readonly quietMs?: number;
  /** Longest wait for quiet, in milliseconds. @default 10000 */
  readonly longestMs?: number;
}

/**
 * Restarts the workloads that ask for it when what they use has changed: by an annotation on the pod template, as `kubectl rollout restart`
 * does, with a digest of the content. Changes that follow each other closely make one restart; none is lost, since what
 * counts is the content when it comes to it.
 */
export class Reloader {
  readonly #parts: Required<ReloaderParts>;
  readonly #view: WorkloadView;
  readonly #queue: WorkQueue;
  readonly #pending = new Map<string, { readonly since: number; readonly timer: NodeJS.Timeout }>();

  constructor(parts: ReloaderParts) {
    this.#parts = { quietMs: 2000, longestMs: 10_000, ...parts };
    this.#queue = new WorkQueue({
      work: (key) => this.#work(key),
      onFailure: (key, error) => this.#parts.onTrouble(key, error),
      longestWaitMs: 60_000,
    });
    this.#view = new WorkloadView(parts.api, {
      onChange: (key, now) => {
        if (now?.isOptedIn) this.#queue.add(key);
        else this.#queue.forget(key);
      },
      onTrouble: (what, trouble) => this.#parts.onTrouble(what, trouble),
    });
  }

  /** A kept object has another content: who uses it is looked at when no more changes follow. */
  changed(objectKey: string): void {
    for (const workload of this.#view.usersOf(objectKey)) {
      if (workload.isOptedIn) this.#wait(`${workload.resource.kind}/${workload.namespace}/${workload.name}`);
    }
  }

  /** Which pods were started before a moment with one of these objects in their environment, in words; undefined: none. */
  lagging(objectKeys: ReadonlySet<string>, since: string): Promise<string | undefined> {
    const users = [...objectKeys].flatMap((key) => this.#view.usersOf(key));
    const each = new Map(users.map((user) => [workloadKey(user), user]));
    return laggingPods(this.#parts.api, [...each.values()], objectKeys, since);
  }

  async stop(): Promise<void> {
    for (const { timer } of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
    await this.#queue.stop();
    await this.#view.stop();
  }

  #wait(key: string): void {
    const { quietMs, longestMs } = this.#parts;
    const now = performance.now();
    const waiting = this.#pending.get(key);
    clearTimeout(waiting?.timer);
    const since = waiting?.since ?? now;
    const ms = Math.max(Math.min(quietMs, since + longestMs - now), 0);
    const timer = setTimeout(() => {
      this.#pending.delete(key);
      this.#queue.add(key);
    }, ms).unref();
    this.#pending.set(key, { since, timer });
  }

  async #work(key: string): Promise<Record<string, never>> {
    await this.#view.ready();
    const workload = this.#view.get(key);
    if (!workload?.isOptedIn || this.#parts.leading.aborted || this.#pending.has(key)) return {};
    const content = this.#contentOf(workload);
    if (content === undefined || content === workload.content) return {};
    await this.#annotate(workload, content);
    return {};
  }

  /** Of all kept objects that it uses; undefined when it uses none, or one is not there now. */
  #contentOf(workload: KeptWorkload): string | undefined {
    const objects = [...new Set(workload.uses.map(({ object }) => object))].toSorted();
    const kept = objects.map((object) => this.#parts.keptObject(objectKeyOf(workload, object)));
    const lines = objects.flatMap((object, index) => {
      const { digests } = kept[index] ?? {};
      return digests ? [`${object} ${JSON.stringify([...digests].toSorted(([a], [b]) => (a < b ? -1 : 1)))}`] : [];
    });
    return lines.length === 0 ? undefined : this.#parts.digest(lines.join('\n'));
  }

  async #annotate({ resource, namespace, name, content: before }: KeptWorkload, content: string): Promise<void> {
    const annotations = { [CONTENT_ANNOTATION]: content };
    // The first time nobody knows what its pods were started for: it is noted, and nothing is restarted.
    const restart = before === undefined ? {} : { spec: { template: { metadata: { annotations } } } };
    try {
      const changed = await this.#parts.api.patch(
        resource,
        { namespace, name },
        { metadata: { annotations }, ...restart },
        FIELD_MANAGER,
      );
      if (before !== undefined)
        await this.#parts.events.record(
          { ...changed, apiVersion: resource.apiVersion, kind: resource.kind },
          {
            type: 'Normal',
            reason: 'Reloaded',
            action: 'Restart',
            note: `a Secret that ${name} uses has changed: its pods are started anew (${content})`,
          },
        );
    } catch (error) {
      if (error instanceof KubernetesError && error.isNotFound) return;
      throw error;
    }
  }
}
