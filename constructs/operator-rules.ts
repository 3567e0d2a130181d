import type { k8s } from 'cdk8s-plus-28';
import { KMS_SECRET_GROUP } from '../contracts/index.ts';
import type { TouchedObject } from './kms-secret.ts';

/** What the operator may do, by where: each rule with what needs it, and nothing that nothing needs. */
export interface OperatorRules {
  /** In the whole cluster: what holds no secret. */
  readonly cluster: k8s.PolicyRule[];
  /** In the whole cluster, for reloading: what uses which Secret. */
  readonly workloads: k8s.PolicyRule[];
  /** In its own namespace. */
  readonly own: k8s.PolicyRule[];
  /** In each namespace that opted in. */
  readonly secrets: k8s.PolicyRule[];
  /** In a namespace whose objects are named one by one: these, and no others. */
  readonly named: (objects: readonly TouchedObject[]) => k8s.PolicyRule[];
  /** In each namespace that opted in to restarts. */
  readonly reload: k8s.PolicyRule[];
}

export function operatorRules(): OperatorRules {
  const rule = (apiGroup: string, resources: string[], verbs: string[], resourceNames?: string[]): k8s.PolicyRule => ({
    apiGroups: [apiGroup],
    resources,
    verbs,
    ...(resourceNames && { resourceNames }),
  });
  const look = ['get', 'list', 'watch'];
  return {
    cluster: [
      rule(KMS_SECRET_GROUP, ['kmssecrets'], look),
      // Server-side apply is a patch.
      rule(KMS_SECRET_GROUP, ['kmssecrets/status'], ['patch']),
      // Whether a namespace allows KMSSecrets of others, by its label.
      rule('', ['namespaces'], look),
    ],
    workloads: [
      rule('apps', ['deployments', 'statefulsets', 'daemonsets'], look),
      rule('argoproj.io', ['rollouts'], look),
      rule('', ['pods'], ['list']),
    ],
    own: [
      rule('coordination.k8s.io', ['leases'], ['create']),
      rule('coordination.k8s.io', ['leases'], ['get', 'update'], ['kms-operator']),
      // The key of digests, made at the first start.
      rule('', ['secrets'], ['get', 'create', 'patch'], ['kms-operator-digests']),
    ],
    secrets: [
      rule('', ['secrets', 'configmaps'], [...look, 'create', 'patch', 'delete']),
      rule('events.k8s.io', ['events'], ['create']),
    ],
    named: (objects) => {
      const names = (kind: TouchedObject['kind'], access?: TouchedObject['access']) =>
        [
          ...new Set(
            objects
              .filter((object) => object.kind === kind && (access === undefined || object.access === access))
              .map(({ name }) => name),
          ),
        ].toSorted();
      const rules = (['Secret', 'ConfigMap'] as const).flatMap((kind) => {
        const resource = [kind === 'Secret' ? 'secrets' : 'configmaps'];
        const [all, renewed, kept] = [names(kind), names(kind, 'renew'), names(kind, 'keep')];
        return [
          // A list and a watch count as of one object when they select it by `metadata.name`.
          ...(all.length > 0 ? [rule('', resource, look, all)] : []),
          // The next client secret, where a KMSSecret asks for it.
          ...(renewed.length > 0 ? [rule('', resource, ['patch'], renewed)] : []),
          // What is made by a server-side apply has its name in the address, so that even `create` can name it.
          ...(kept.length > 0 ? [rule('', resource, ['create', 'patch', 'delete'], kept)] : []),
        ];
      });
      return [...rules, rule('events.k8s.io', ['events'], ['create'])];
    },
    reload: [
      rule('apps', ['deployments', 'statefulsets', 'daemonsets'], ['patch']),
      rule('argoproj.io', ['rollouts'], ['patch']),
      rule('events.k8s.io', ['events'], ['create']),
    ],
  };
}
