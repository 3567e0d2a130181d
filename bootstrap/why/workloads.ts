import type { WhyReport } from '../../contracts/why.ts';
import type { KubernetesApi } from '../../operator/kubernetes/api.ts';
import {
  CronJobs,
  DaemonSets,
  Deployments,
  Jobs,
  type KubernetesObject,
  type Pod,
  type PodSpec,
  Pods,
  type Resource,
  Rollouts,
  StatefulSets,
  type Workload,
} from '../../operator/kubernetes/resources.ts';
import { isOlder, runningPods } from '../../operator/reload/lagging.ts';
import { usesOf } from '../../operator/reload/uses.ts';
import type { Gaps } from './gaps.ts';
import type { SecretName } from './keeper.ts';

type Shown = NonNullable<WhyReport['workloads']>[number];

/** Something that makes pods, or a pod that nothing makes. */
interface Found {
  readonly kind: string;
  readonly name: string;
  readonly pod: PodSpec | undefined;
  /** Its pods that run now; undefined: they cannot be told from others. */
  readonly pods: (() => Promise<readonly Pod[]>) | undefined;
}

/**
 * Who uses a Secret, in its namespace, and which pods were started before its content changed last.
 *
 * @param key only who uses this key of it
 * @param since when the content changed, ISO 8601; undefined: not known
 * @returns null when nothing may be seen
 */
export async function workloadsUsing(
  api: KubernetesApi,
  { namespace, name }: SecretName,
  { key, since, gaps }: { readonly key?: string | undefined; readonly since: string | undefined; readonly gaps: Gaps },
): Promise<Shown[] | null> {
  const lists = await Promise.all([
    ...[Deployments, StatefulSets, DaemonSets, Jobs].map((of) => listed(api, of, namespace, gaps, ofWorkload(api))),
    rolloutsOf(api, namespace, gaps),
    listed(api, CronJobs, namespace, gaps, ({ metadata, spec }) => ({
      name: metadata.name,
      pod: spec?.jobTemplate?.spec?.template?.spec,
      pods: undefined,
    })),
    listed(api, Pods, namespace, gaps, (pod) => ({
      name: pod.metadata.name,
      pod: pod.spec,
      pods: async () => (pod.status?.phase === 'Running' ? [pod] : []),
    })),
  ]);
  if (lists.every((list) => list === undefined)) return null;
  const users: Shown[] = [];
  for (const { kind, name: workload, pod, pods } of lists.flatMap((list) => list ?? [])) {
    const uses = usesOf(pod ?? {}).filter(
      (use) => use.object === `Secret/${name}` && (key === undefined || use.key === undefined || use.key === key),
    );
    const by = [...new Set(uses.map((use) => use.by))].toSorted();
    if (by.length === 0) continue;
    const running = pods && (await gaps.ask('pods', pods));
    // What is mounted follows by itself.
    const dated = running && since !== undefined && by.includes('environment');
    const oldPods = dated ? running.filter((one) => isOlder(one, since)).length : null;
    users.push({ kind, name: workload, by, pods: running?.length ?? null, oldPods });
  }
  return users.toSorted((a, b) => (`${a.kind}/${a.name}` < `${b.kind}/${b.name}` ? -1 : 1));
}

async function rolloutsOf(api: KubernetesApi, namespace: string, gaps: Gaps): Promise<Found[] | undefined> {
  // Where their CRD is not installed, the right to list them is missing, too, and its absence means nothing.
  return (await api.serves(Rollouts)) ? listed(api, Rollouts, namespace, gaps, ofWorkload(api)) : undefined;
}

/** Those that nothing else makes: what is made is told of its maker. */
async function listed<Kind extends KubernetesObject>(
  api: KubernetesApi,
  of: Resource<Kind>,
  namespace: string,
  gaps: Gaps,
  found: (object: Kind) => Omit<Found, 'kind'>,
): Promise<Found[] | undefined> {
  const list = await gaps.ask(of.plural, () => api.list(of, { namespace }));
  return list?.items
    .filter(({ metadata }) => !metadata.ownerReferences?.some(({ controller }) => controller))
    .map((object) => ({ kind: of.kind, ...found(object) }));
}

function ofWorkload(api: KubernetesApi) {
  return ({ metadata: { name, namespace = '' }, spec }: Workload) => ({
    name,
    pod: spec?.template?.spec,
    pods: () => runningPods(api, { namespace, selector: spec?.selector ?? {} }),
  });
}
