import type { KubernetesApi } from '../kubernetes/api.ts';
import { type LabelSelector, type Pod, Pods } from '../kubernetes/resources.ts';
import { type KeptWorkload, objectKeyOf } from './workload-view.ts';

/**
 * Which pods were started before a change of what they have in their environment, in words: "3 of 4 pods of deployment/gateway". What is
 * mounted follows by itself and is not told.
 *
 * @param since when the content changed last, ISO 8601
 * @returns undefined when all are up to date
 */
export async function laggingPods(
  api: KubernetesApi,
  users: readonly KeptWorkload[],
  objectKeys: ReadonlySet<string>,
  since: string,
): Promise<string | undefined> {
  const told: string[] = [];
  const concerned = users.filter((workload) =>
    workload.uses.some(({ object, by }) => by === 'environment' && objectKeys.has(objectKeyOf(workload, object))),
  );
  for (const workload of concerned.slice(0, MOST_LOOKED_AT)) {
    const pods = await runningPods(api, workload);
    const old = pods.filter((pod) => isOlder(pod, since));
    const name = `${workload.resource.kind.toLowerCase()}/${workload.name}`;
    if (old.length > 0) told.push(`${old.length} of ${pods.length} pods of ${name}`);
  }
  return told.length === 0 ? undefined : shortened(told);
}

/** Workloads whose pods are asked for, each with a list of its own, again and again while some lag. */
const MOST_LOOKED_AT = 50;
/** What the status has room for, without the version that follows: it is refused as a whole otherwise, and says what was so before. */
const LONGEST_TOLD = 900;

function shortened(told: readonly string[]): string {
  let shown = 0;
  for (let length = 0; shown < told.length; shown++) {
    length += told[shown]!.length + 2;
    if (length > LONGEST_TOLD) break;
  }
  const more = told.length - shown;
  return [...told.slice(0, shown), ...(more > 0 ? [`${more} more ${more === 1 ? 'workload' : 'workloads'}`] : [])].join(
    ', ',
  );
}

/** The pods of a workload that run now; none of one that selects no label, which would be all of the namespace. */
export async function runningPods(
  api: KubernetesApi,
  { namespace, selector }: { readonly namespace: string; readonly selector: LabelSelector },
): Promise<Pod[]> {
  const labelSelector = textOf(selector);
  if (labelSelector === '') return [];
  const { items } = await api.list(Pods, { namespace, labelSelector });
  return items.filter(({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === 'Running');
}

/** Whether a pod was started before a moment, ISO 8601: what is in its environment is of before, too. */
export function isOlder(pod: Pod, since: string): boolean {
  return startOf(pod) < Date.parse(since);
}

/** Its containers read their environment when they start; the whole second counts, for Kubernetes tells no finer. */
function startOf({ metadata, status }: Pod): number {
  const starts = (status?.containerStatuses ?? []).map(({ state }) => Date.parse(state?.running?.startedAt ?? ''));
  const known = starts.filter(Number.isFinite);
  const start = known.length > 0 ? Math.min(...known) : Date.parse(metadata.creationTimestamp ?? '');
  return start + 999;
}

/** A label selector as a list takes it. */
function textOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels).map(([name, value]) => `${name}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
  });
  return [...labels, ...expressions].join(',');
}
