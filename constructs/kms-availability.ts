import type { ApiObject } from 'cdk8s';
import { k8s } from 'cdk8s-plus-28';
import { Construct } from 'constructs';
import { z } from 'zod';
import { NamespaceName } from '../contracts/index.ts';
import { DEFAULT_NAMESPACE } from './defaults.ts';
import { problemsOf } from './validation.ts';

export interface KmsAutoscaling {
  /** Fewest replicas; 2 or more. */
  readonly minReplicas: number;
  /** Most replicas. */
  readonly maxReplicas: number;
  /**
   * Share of the requested cpu that is aimed at, in percent.
   * @default 70
   */
  readonly cpuPercent?: number;
}

export interface KmsAvailabilityProps {
  /**
   * Namespace of KMS.
   * @default 'hanzo'
   */
  readonly namespace?: string;
  /**
   * Replicas that an eviction leaves running.
   * @default 1
   */
  readonly minAvailable?: number;
  /**
   * Replicas by load, in place of the number that `Kms` was given.
   * @default - a fixed number of replicas
   */
  readonly autoscaling?: KmsAutoscaling;
}

const Props = z.object({
  namespace: NamespaceName,
  minAvailable: z.int().min(1).max(99),
  autoscaling: z
    .object({
      minReplicas: z.int().min(2).max(100),
      maxReplicas: z.int().min(2).max(100),
      cpuPercent: z.int().min(10).max(95).optional(),
    })
    .refine(({ minReplicas, maxReplicas }) => minReplicas <= maxReplicas, 'minReplicas is above maxReplicas')
    .optional(),
});

/**
 * Keeps KMS running while nodes are drained: a PodDisruptionBudget, and a HorizontalPodAutoscaler when asked for. A budget that allows
 * no eviction at all would hold up each upgrade of the nodes: with two replicas, one may go at a time.
 */
export class KmsAvailability extends Construct {
  /** The PodDisruptionBudget, for what the props do not cover. */
  readonly disruptionBudget: ApiObject;

  constructor(scope: Construct, id: string, props: KmsAvailabilityProps = {}) {
    super(scope, id);
    const { namespace = DEFAULT_NAMESPACE, minAvailable = 1, autoscaling } = props;
    this.node.addValidation({ validate: () => problemsOf(Props, { namespace, minAvailable, autoscaling }) });
    const labels = { app: 'kms', 'app.kubernetes.io/name': 'kms', 'app.kubernetes.io/part-of': 'hanzo-universe' };
    const metadata = { name: 'kms', namespace, labels };
    this.disruptionBudget = new k8s.KubePodDisruptionBudget(this, 'DisruptionBudget', {
      metadata,
      spec: { minAvailable: k8s.IntOrString.fromNumber(minAvailable), selector: { matchLabels: { app: 'kms' } } },
    });
    if (!autoscaling) return;
    new k8s.KubeHorizontalPodAutoscalerV2(this, 'Autoscaler', {
      metadata,
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'kms' },
        minReplicas: autoscaling.minReplicas,
        maxReplicas: autoscaling.maxReplicas,
        metrics: [
          {
            type: 'Resource',
            resource: {
              name: 'cpu',
              target: { type: 'Utilization', averageUtilization: autoscaling.cpuPercent ?? 70 },
            },
          },
        ],
      },
    });
  }
}
