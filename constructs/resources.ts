import { k8s } from 'cdk8s-plus-28';
import { z } from 'zod';

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

/** HIP-27, "Resource Requirements". */
export const HIP_RESOURCES = { requests: { memory: '512Mi', cpu: '250m' }, limits: { memory: '2Gi', cpu: '1000m' } };

// No "m" for memory: the API server takes it, and "512m" is half a byte.
const UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 },
};
const Memory = z.string().regex(/^\d+(\.\d+)?([kMGT]|[KMGT]i)?$/, 'must be an amount of memory such as 512Mi');
const Cpu = z.string().regex(/^\d+(\.\d+)?m?$/, 'must be an amount of cpu such as 250m');
const Quantities = z.strictObject({ memory: Memory, cpu: Cpu });

/** Requests and limits that an API server takes: of known units, and no request above its limit. */
export const Resources = z
  .strictObject({ requests: Quantities, limits: Quantities })
  .superRefine(({ requests, limits }, context) => {
    for (const kind of ['memory', 'cpu'] as const) {
      if (amountOf(requests[kind]) <= amountOf(limits[kind])) continue;
      const message = `${requests[kind]} is above the limit, which is ${limits[kind]}`;
      context.addIssue({ code: 'custom', path: ['requests', kind], message });
    }
  });

function amountOf(quantity: string): number {
  const [number = ''] = /^[\d.]+/.exec(quantity) ?? [];
  return Number(number) * (UNITS[quantity.slice(number.length)] ?? Number.NaN);
}

/** The resources of a container. */
export function requirements({ requests, limits }: Required<KmsResources>): k8s.ResourceRequirements {
  const quantities = ({ memory, cpu }: KmsQuantities) => ({
    memory: k8s.Quantity.fromString(memory),
    cpu: k8s.Quantity.fromString(cpu),
  });
  return { requests: quantities(requests), limits: quantities(limits) };
}
