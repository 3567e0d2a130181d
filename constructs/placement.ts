import type { k8s } from 'cdk8s-plus-28';

/**
 * Where the replicas of an app go: onto different nodes (HIP-27, "Deployment Specification") and into different zones. Both are
 * preferences: one node alone, or nodes that name no zone, still run all of them.
 */
export function spread(app: string): Pick<k8s.PodSpec, 'affinity' | 'topologySpreadConstraints'> {
  const labelSelector = { matchExpressions: [{ key: 'app', operator: 'In', values: [app] }] };
  return {
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 100, podAffinityTerm: { labelSelector, topologyKey: 'kubernetes.io/hostname' } },
        ],
      },
    },
    topologySpreadConstraints: [
      {
        topologyKey: 'topology.kubernetes.io/zone',
        maxSkew: 1,
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector,
        // During a rollout the pods that leave do not count: without it the last one would follow them.
        matchLabelKeys: ['pod-template-hash'],
      },
    ],
  };
}
