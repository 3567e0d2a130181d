import { k8s } from 'cdk8s-plus-28';
import { imageName } from './image.ts';
import { hasWhatCameWith } from './kubernetes-version.ts';
import { type KmsResources, requirements } from './resources.ts';
import { RESTRICTED_CONTAINER } from './restricted.ts';

/** The port of KMS. */
export const PORT = 8080;
/** What that port is called, in the pod and in the Service. */
export const SERVER_PORT_NAME = 'http';
/** Long enough for every node to hear that the pod takes no more connections. */
const PRE_STOP_SECONDS = 5;

/** When the kubelet looks, and how often in vain. */
export interface KmsProbe {
  /** Seconds before the first look. */
  readonly initialDelaySeconds: number;
  /** Seconds between two looks. */
  readonly periodSeconds: number;
  /** Failures in a row that count. */
  readonly failureThreshold: number;
}

/** The looks at a replica. */
export interface KmsProbes {
  /**
   * When it takes requests.
   * @default - HIP-27's
   */
  readonly readiness?: KmsProbe;
  /**
   * When it is started anew.
   * @default - HIP-27's
   */
  readonly liveness?: KmsProbe;
}

/** A certificate authority that is mounted from the namespace of KMS. */
export interface KmsAuthority {
  /**
   * Secret that holds its certificate, PEM.
   * @default - a ConfigMap does
   */
  readonly secretName?: string;
  /**
   * ConfigMap that holds it.
   * @default - a Secret does
   */
  readonly configMapName?: string;
  /** Key of it. */
  readonly key: string;
}

/** What the container is made of. */
interface ContainerSettings {
  readonly version: string;
  readonly digest: string | undefined;
  readonly secretName: string;
  readonly resources: Required<KmsResources>;
  readonly environment: Readonly<Record<string, string>>;
  readonly probes: { readonly readiness: KmsProbe; readonly liveness: KmsProbe };
  readonly tlsSecretName: string | undefined;
  readonly postgresCa: KmsAuthority | undefined;
  readonly redisCa: KmsAuthority | undefined;
}

/** Before it stops: by the kubelet, where that can, since it needs nothing of the image. */
export function pauseBeforeStop(version: string) {
  if (hasWhatCameWith('1.30', version)) return { sleep: { seconds: PRE_STOP_SECONDS } };
  return { exec: { command: ['node', '-e', `setTimeout(() => {}, ${PRE_STOP_SECONDS * 1000})`] } };
}

/** Folders of the container, in its order, with what fills them. */
function filled({ tlsSecretName, postgresCa, redisCa }: ContainerSettings): readonly Folder[] {
  return [
    ...(tlsSecretName === undefined ? [] : [{ path: '/etc/kms/tls', volume: keyPair(tlsSecretName) }]),
    ...(postgresCa === undefined ? [] : [{ path: '/etc/kms/postgres', volume: authority('postgres-ca', postgresCa) }]),
    ...(redisCa === undefined ? [] : [{ path: '/etc/kms/redis', volume: authority('redis-ca', redisCa) }]),
  ];
}

interface Folder {
  readonly path: string;
  readonly volume: k8s.Volume;
}

/** Whole, and not by `subPath`, so that a renewed one arrives. */
const keyPair = (secretName: string): k8s.Volume => ({
  name: 'tls',
  secret: {
    secretName,
    defaultMode: 0o440,
    items: [
      { key: 'tls.crt', path: 'tls.crt' },
      { key: 'tls.key', path: 'tls.key' },
    ],
  },
});

function authority(name: string, { secretName, configMapName, key }: KmsAuthority): k8s.Volume {
  const items = [{ key, path: 'ca.crt' }];
  return secretName === undefined
    ? { name, configMap: { name: configMapName, items } }
    : { name, secret: { secretName, items } };
}

export function kmsVolumes(settings: ContainerSettings): k8s.Volume[] {
  return [{ name: 'tmp', emptyDir: {} }, ...filled(settings).map(({ volume }) => volume)];
}

export function kmsContainer(settings: ContainerSettings): k8s.Container {
  const { version, digest, secretName, resources, environment, probes, tlsSecretName, postgresCa, redisCa } = settings;
  const status = {
    httpGet: {
      path: '/api/status',
      port: k8s.IntOrString.fromNumber(PORT),
      ...(tlsSecretName !== undefined && { scheme: 'HTTPS' }),
    },
  };
  const variables = {
    HOST: '0.0.0.0',
    ...(tlsSecretName !== undefined && {
      TLS_CERT_FILE: '/etc/kms/tls/tls.crt',
      TLS_KEY_FILE: '/etc/kms/tls/tls.key',
    }),
    ...(postgresCa !== undefined && { DB_CA_FILE: '/etc/kms/postgres/ca.crt' }),
    ...(redisCa !== undefined && { REDIS_CA_FILE: '/etc/kms/redis/ca.crt' }),
    ...environment,
  };
  return {
    name: 'kms',
    image: imageName({ version, digest }),
    ports: [{ name: SERVER_PORT_NAME, containerPort: PORT, protocol: 'TCP' }],
    envFrom: [{ secretRef: { name: secretName } }],
    env: Object.entries(variables).map(([name, value]) => ({ name, value })),
    readinessProbe: { ...status, ...looks(probes.readiness) },
    livenessProbe: { ...status, ...looks(probes.liveness) },
    resources: requirements(resources),
    securityContext: RESTRICTED_CONTAINER,
    volumeMounts: [
      { name: 'tmp', mountPath: '/tmp' },
      ...filled(settings).map(({ path, volume }) => ({ name: volume.name, mountPath: path, readOnly: true })),
    ],
  };
}

/** Failures in a row that the kubelet counts where nothing is said: HIP-27's manifest leaves it out. */
const KUBELETS_OWN = 3;

const looks = ({ failureThreshold, ...probe }: KmsProbe) =>
  failureThreshold === KUBELETS_OWN ? probe : { ...probe, failureThreshold };
