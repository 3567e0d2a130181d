import type { Container, PodSpec } from '../kubernetes/resources.ts';

/** How a pod comes by an object: what is in its environment is read once, at its start; what is mounted follows by itself. */
export interface Use {
  /** `Secret/name` or `ConfigMap/name`, in the pod's own namespace. */
  readonly object: string;
  readonly by: 'environment' | 'volume';
  /** The one key of it that is used; undefined: all, or several. */
  readonly key?: string;
}

/** Every Secret and ConfigMap that a pod uses: by envFrom, valueFrom, volumes and projected volumes, of all its containers. */
export function usesOf({ containers = [], initContainers = [], volumes = [] }: PodSpec): readonly Use[] {
  const found: Use[] = [];
  const use = (kind: 'Secret' | 'ConfigMap', name: string | undefined, by: Use['by'], key?: string) => {
    if (name) found.push({ object: `${kind}/${name}`, by, ...(key === undefined ? {} : { key }) });
  };
  for (const { envFrom = [], env = [] } of [...initContainers, ...containers] as readonly Container[]) {
    for (const { secretRef, configMapRef } of envFrom) {
      use('Secret', secretRef?.name, 'environment');
      use('ConfigMap', configMapRef?.name, 'environment');
    }
    for (const { valueFrom } of env) {
      use('Secret', valueFrom?.secretKeyRef?.name, 'environment', valueFrom?.secretKeyRef?.key);
      use('ConfigMap', valueFrom?.configMapKeyRef?.name, 'environment');
    }
  }
  for (const { secret, configMap, projected } of volumes) {
    use('Secret', secret?.secretName, 'volume');
    use('ConfigMap', configMap?.name, 'volume');
    for (const source of projected?.sources ?? []) {
      use('Secret', source.secret?.name, 'volume');
      use('ConfigMap', source.configMap?.name, 'volume');
    }
  }
  return found;
}
