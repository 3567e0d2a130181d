import { k8s } from 'cdk8s-plus-28';
import { ContainerResources, HIP_RESOURCES } from '../contracts/index.ts';

/** An amount of memory and of cpu, as Kubernetes writes them. */
export interface KmsQuantities {
  /** Memory: bytes, or with a unit such as `512Mi` or `2Gi`. */
  readonly memory: string;
  /** Cores, such as `1` or `0.5`, or thousandths of one, such as `250m`. */
  readonly cpu: string;
}

/** Compute resources of one replica. */
export interface KmsResources {
  /**
   * What the scheduler sets aside.
   * @default { memory: '512Mi', cpu: '250m' }
   */
  readonly requests?: KmsQuantities;
  /**
   * What a replica may use; at least its requests.
   * @default { memory: '2Gi', cpu: '1000m' }
   */
  readonly limits?: KmsQuantities;
}

/** Requests and limits that an API server takes: of known units, and no request above its limit. */
export const Resources = ContainerResources(HIP_RESOURCES);

/** The resources of a container. */
export function requirements({ requests, limits }: Required<KmsResources>): k8s.ResourceRequirements {
  const quantities = ({ memory, cpu }: KmsQuantities) => ({
    memory: k8s.Quantity.fromString(memory),
    cpu: k8s.Quantity.fromString(cpu),
  });
  return { requests: quantities(requests), limits: quantities(limits) };
}
