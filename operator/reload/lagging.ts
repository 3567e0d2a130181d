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
  for (const workload of users) {
    const isInEnvironment = workload.uses.some(
      ({ object, by }) => by === 'environment' && objectKeys.has(objectKeyOf(workload, object)),
    );
    if (!isInEnvironment) continue;
    const labelSelector = textOf(workload.selector);
    if (labelSelector === '') continue;
    const { items } = await api.list(Pods, { namespace: workload.namespace, labelSelector });
    const pods = items.filter(({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === 'Running');
    const old = pods.filter((pod) => startOf(pod) < Date.parse(since));
    const name = `${workload.resource.kind.toLowerCase()}/${workload.name}`;
    if (old.length > 0) told.push(`${old.length} of ${pods.length} pods of ${name}`);
  }
  return told.length === 0 ? undefined : told.join(', ');
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
