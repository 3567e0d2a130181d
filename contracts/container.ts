import { z } from 'zod';
import { VERSION } from './version.ts';

/** What every container of the installation is told: its image, its compute resources, and the Kubernetes that runs it. */

/** Version of an image; never `latest`, which would be another program after a restart. */
export const ImageTag = z
  .string()
  .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/, 'must be an image tag')
  .refine((tag) => tag !== 'latest', '"latest" is not a version; name one')
  // The same, in a JSON Schema.
  .meta({ not: { const: 'latest' } });

/** The very bytes of an image. */
export const ImageDigest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hex digits');

/** The image of KMS and of its operator, which are of one. */
export const KmsImageSettings = z.strictObject({
  version: ImageTag.default(VERSION).describe('Version of the image `ghcr.io/hanzoai/kms`; never `latest`.'),
  digest: ImageDigest.optional().describe('Digest of the image, `sha256:…`: pins the very bytes.'),
});

// No "m" for memory: the API server takes it, and "512m" is half a byte.
const UNITS: Readonly<Record<string, number>> = {
  ...{ '': 1, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 },
};
const Memory = z.string().regex(/^\d+(\.\d+)?([kMGT]|[KMGT]i)?$/, 'must be an amount of memory such as 512Mi');
const Cpu = z.string().regex(/^\d+(\.\d+)?m?$/, 'must be an amount of cpu such as 250m');

/** Size of a volume. */
export const VolumeSize = z.string().regex(/^\d+(Gi|Ti)$/, 'must be a size such as 50Gi');

const quantities = (memory: string, cpu: string) =>
  z.strictObject({
    memory: Memory.default(memory).describe('Memory, such as `512Mi`.'),
    cpu: Cpu.default(cpu).describe('Cores, such as `1` or `250m`.'),
  });

interface Amounts {
  readonly memory: string;
  readonly cpu: string;
}

/**
 * Requests and limits that an API server takes: of known units, and no request above its limit.
 *
 * @param defaults what holds where nothing is said
 */
export const ContainerResources = (defaults: { readonly requests: Amounts; readonly limits: Amounts }) =>
  z
    .strictObject({
      requests: quantities(defaults.requests.memory, defaults.requests.cpu)
        .prefault({})
        .describe('What the scheduler sets aside for a replica.'),
      limits: quantities(defaults.limits.memory, defaults.limits.cpu)
        .prefault({})
        .describe('What a replica may use; at least its requests.'),
    })
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

const OLDEST_MINOR = 28;
/** From here on everything that is rendered is there without a feature gate. */
export const DEFAULT_KUBERNETES_VERSION = '1.30';

/** The minor of a version such as `1.30`; not a number for anything else. */
export const minorOf = (version: string) => Number(/^1\.(\d{1,3})$/.exec(version)?.[1] ?? Number.NaN);

/** A minor version of Kubernetes that the manifests are for. */
export const KubernetesMinor = z
  .string()
  .refine((version) => Number.isFinite(minorOf(version)), 'must be a minor version such as 1.30')
  .refine(
    (version) => !(minorOf(version) < OLDEST_MINOR),
    `is older than 1.${OLDEST_MINOR}, the oldest that the manifests are for`,
  );

/** HIP-27, "Resource Requirements". */
export const HIP_RESOURCES = { requests: { memory: '512Mi', cpu: '250m' }, limits: { memory: '2Gi', cpu: '1000m' } };

/** Of a replica of the operator: a thousand identities took 181 MB. */
export const OPERATOR_RESOURCES = {
  requests: { memory: '128Mi', cpu: '50m' },
  limits: { memory: '512Mi', cpu: '500m' },
};
