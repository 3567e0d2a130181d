import type { KubernetesApi } from '../kubernetes/api.ts';
import { KubernetesError } from '../kubernetes/errors.ts';
import { Reflector } from '../kubernetes/reflector.ts';
import {
  DaemonSets,
  Deployments,
  type LabelSelector,
  type Resource,
  Rollouts,
  StatefulSets,
  type Workload,
} from '../kubernetes/resources.ts';
import { type Use, usesOf } from './uses.ts';

/** On a workload: it is restarted when an object that it uses has changed. */
export const AUTO_RELOAD_ANNOTATION = 'secrets.lux.network/auto-reload';
/** On a workload: the content that its pods were last started for. On its pod template: what a restart is made by. */
export const CONTENT_ANNOTATION = 'secrets.lux.network/content';

/** How soon it is noticed that Argo Rollouts was installed. */
const LOOK_FOR_ROLLOUTS_MS = 30_000;

/** A workload as it is kept in memory: only what reloading needs. */
export interface KeptWorkload {
  readonly resource: Resource<Workload>;
  readonly namespace: string;
  readonly name: string;
  readonly isOptedIn: boolean;
  /** Content that its pods were last started for; undefined: not known yet. */
  readonly content: string | undefined;
  readonly selector: LabelSelector;
  readonly uses: readonly Use[];
}

export interface WorkloadViewOptions {
  readonly onChange: (key: string, now: KeptWorkload | undefined) => void;
  readonly onTrouble: (what: string, trouble: KubernetesError) => void;
}

/** `Deployment/namespace/name`. */
export function workloadKey({
  resource,
  namespace,
  name,
}: Pick<KeptWorkload, 'resource' | 'namespace' | 'name'>): string {
  return `${resource.kind}/${namespace}/${name}`;
}

/** Deployments, StatefulSets and DaemonSets, and Rollouts where their CRD is, that use a Secret or a ConfigMap at all. */
export class WorkloadView {
  readonly #reflectors: Reflector<Workload, KeptWorkload>[] = [];
  /** By `Secret/namespace/name`, the workloads that use it. */
  readonly #users = new Map<string, Set<string>>();
  readonly #workloads = new Map<string, KeptWorkload>();
  readonly #started: Promise<void>;
  #looking: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(api: KubernetesApi, options: WorkloadViewOptions) {
    this.#started = this.#start(api, options);
  }

  /** Resolves when all that is there is known. */
  async ready(): Promise<void> {
    await this.#started;
    await Promise.all(this.#reflectors.map((reflector) => reflector.ready()));
  }

  get(key: string): KeptWorkload | undefined {
    return this.#workloads.get(key);
  }

  /** The workloads that use an object, `Secret/namespace/name`. */
  usersOf(objectKey: string): KeptWorkload[] {
    return [...(this.#users.get(objectKey) ?? [])].map((key) => this.#workloads.get(key)!);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#started;
    clearInterval(this.#looking);
    await Promise.all(this.#reflectors.map((reflector) => reflector.stop()));
  }

  async #start(api: KubernetesApi, { onChange, onTrouble }: WorkloadViewOptions): Promise<void> {
    const follow = (resource: Resource<Workload>) =>
      this.#reflectors.push(
        new Reflector<Workload, KeptWorkload>(api, resource, {
          keep: (workload) => keep(resource, workload),
          onChange: ({ key, before, now }) => {
            this.#change(`${resource.kind}/${key}`, before, now);
            onChange(`${resource.kind}/${key}`, now);
          },
          onTrouble: (trouble) => onTrouble(resource.plural, trouble),
        }),
      );
    for (const resource of [Deployments, StatefulSets, DaemonSets]) follow(resource);
    const followRollouts = async () => {
      if (this.#isStopped || !(await isServed(api, Rollouts)) || this.#isStopped) return;
      clearInterval(this.#looking);
      follow(Rollouts);
    };
    // To watch for the CRD itself would take a right to all CRDs.
    this.#looking = setInterval(() => void followRollouts(), LOOK_FOR_ROLLOUTS_MS).unref();
    await followRollouts();
  }

  #change(key: string, before: KeptWorkload | undefined, now: KeptWorkload | undefined): void {
    for (const { object } of before?.uses ?? []) {
      const users = this.#users.get(objectKeyOf(before!, object));
      users?.delete(key);
      if (users?.size === 0) this.#users.delete(objectKeyOf(before!, object));
    }
    if (now) this.#workloads.set(key, now);
    else this.#workloads.delete(key);
    for (const { object } of now?.uses ?? []) {
      const objectKey = objectKeyOf(now!, object);
      this.#users.set(objectKey, (this.#users.get(objectKey) ?? new Set()).add(key));
    }
  }
}

/** `Secret/name` as `Secret/namespace/name`. */
export function objectKeyOf({ namespace }: KeptWorkload, object: string): string {
  return object.replace('/', `/${namespace}/`);
}

function keep(resource: Resource<Workload>, { metadata, spec }: Workload): KeptWorkload | undefined {
  const uses = usesOf(spec?.template?.spec ?? {});
  if (uses.length === 0 || metadata.namespace === undefined || metadata.deletionTimestamp) return undefined;
  return {
    resource,
    namespace: metadata.namespace,
    name: metadata.name,
    isOptedIn: metadata.annotations?.[AUTO_RELOAD_ANNOTATION] === 'true',
    content: metadata.annotations?.[CONTENT_ANNOTATION],
    selector: spec?.selector ?? {},
    uses,
  };
}

async function isServed(api: KubernetesApi, resource: Resource): Promise<boolean> {
  try {
    await api.list(resource, { namespace: 'default' });
    return true;
  } catch (error) {
    // A right that is missing says that it is there, and is told by the watch. Anything else is looked at again.
    return error instanceof KubernetesError && error.status === 403;
  }
}
