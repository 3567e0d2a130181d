import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cacheFolder } from './programs.ts';

/**
 * What others publish and our manifests are held to: the schemas of Kubernetes' own API for each minor version, and the CRDs of
 * operators that the constructs write objects for. All of it is in their Go modules, pinned here by the hashes that go.sum has.
 */

interface Module {
  readonly path: string;
  readonly version: string;
  /** As in go.sum. */
  readonly sum: string;
}

const KUBERNETES: readonly Pick<Module, 'version' | 'sum'>[] = [
  { version: '1.28.15', sum: 'h1:d91N2Znk+E8REIJZlrD6za2JtIwvEypa0DB1IoU4fJ0=' },
  { version: '1.29.6', sum: 'h1:jn8kA/oVOAWZOeoorx6xZ4d+KgGp+Evgi90x9bEI/DE=' },
  { version: '1.30.14', sum: 'h1:MrlKXh9uhLIJpyxOeXhcndzRVSvwiV9iJ8NgH8nqPsg=' },
  { version: '1.31.14', sum: 'h1:UtjLfqvXLuSVDdJ4+NpQCIfFkKkLnAAVmxAEMsnkhjk=' },
  { version: '1.32.13', sum: 'h1:5TGYdZ6YZqdp6h/Rp1vX/4TIoybMPdgv97LCZCtPuNQ=' },
  { version: '1.33.6', sum: 'h1:NOIZqkx8M4XfdyRKllzLSBiMgSilPzSvCembfzOMk6A=' },
  { version: '1.34.4', sum: 'h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk=' },
];

const CRDS: readonly (Module & { readonly files: readonly string[] })[] = [
  {
    path: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.85.0',
    sum: 'h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=',
    files: [
      'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml',
      'example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml',
    ],
  },
  {
    path: 'github.com/cloudnative-pg/cloudnative-pg',
    version: 'v1.27.0',
    sum: 'h1:mp0zlYO4vKAJmQdArWORWKr1lmB4Hj8JeBQGX5RBnpg=',
    files: [
      'config/crd/bases/postgresql.cnpg.io_clusters.yaml',
      'config/crd/bases/postgresql.cnpg.io_scheduledbackups.yaml',
    ],
  },
  {
    path: 'github.com/argoproj/argo-rollouts',
    version: 'v1.8.5',
    sum: 'h1:x+WjkwgjV89sc/QJ0c0cBrz5HAcriWCoQn6ptOxoElU=',
    files: ['manifests/crds/rollout-crd.yaml'],
  },
  {
    path: 'github.com/cert-manager/cert-manager',
    version: 'v1.19.1',
    sum: 'h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY=',
    files: ['deploy/crds/cert-manager.io_certificates.yaml'],
  },
  {
    path: 'github.com/traefik/traefik/v3',
    version: 'v3.7.13',
    sum: 'h1:T8wy9KuaFzCkmXCqAzDy7t73pBDR1DHrJe3pqXpNXTw=',
    files: [
      'docs/content/reference/dynamic-configuration/traefik.io_tlsoptions.yaml',
      'docs/content/reference/dynamic-configuration/traefik.io_serverstransports.yaml',
    ],
  },
];

/** Kinds that the constructs render: the schemas of everything else are left out, which is most of them. */
const KINDS = new Set([
  '/v1 ConfigMap',
  '/v1 Namespace',
  '/v1 PersistentVolumeClaim',
  '/v1 Secret',
  '/v1 Service',
  '/v1 ServiceAccount',
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy',
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding',
  'admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicy',
  'admissionregistration.k8s.io/v1beta1 ValidatingAdmissionPolicyBinding',
  'apiextensions.k8s.io/v1 CustomResourceDefinition',
  'apps/v1 Deployment',
  'apps/v1 StatefulSet',
  'autoscaling/v2 HorizontalPodAutoscaler',
  'batch/v1 CronJob',
  'batch/v1 Job',
  'networking.k8s.io/v1 Ingress',
  'networking.k8s.io/v1 NetworkPolicy',
  'policy/v1 PodDisruptionBudget',
  'rbac.authorization.k8s.io/v1 ClusterRole',
  'rbac.authorization.k8s.io/v1 ClusterRoleBinding',
  'rbac.authorization.k8s.io/v1 Role',
  'rbac.authorization.k8s.io/v1 RoleBinding',
]);

/** A part of OpenAPI's schemas, as Kubernetes writes them. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** The schemas of one version of Kubernetes. */
export interface KubernetesSchemas {
  /** Such as `1.28.15`. */
  readonly version: string;
  /** Name of the definition, by `group/version Kind`; the group of the oldest kinds is empty. */
  readonly kinds: Readonly<Record<string, string>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

/** A change of what is kept is another folder. */
function folder(): string {
  const hash = createHash('sha256').update(JSON.stringify([KUBERNETES, CRDS, [...KINDS]]));
  return join(cacheFolder(), `published-${hash.digest('hex').slice(0, 12)}`);
}

const schemasFolder = () => join(folder(), 'schemas');
const crdsFolder = () => join(folder(), 'crds');

/** Whether they are in the cache already. */
export function arePublishedAtHand(): boolean {
  return existsSync(folder());
}

/** @throws Error when they were not fetched yet */
export async function kubernetesSchemas(): Promise<KubernetesSchemas[]> {
  const files = (await readdir(schemasFolder())).toSorted();
  const texts = await Promise.all(files.map((file) => readFile(join(schemasFolder(), file), 'utf8')));
  return texts.map((text) => JSON.parse(text) as KubernetesSchemas);
}

/** The file of a CRD, by a word of its name. @throws Error when there is none, or they were not fetched yet */
export async function crdFile(word: string): Promise<string> {
  const found = (await readdir(crdsFolder())).find((file) => file.includes(word));
  if (!found) throw new Error(`no CRD in ${crdsFolder()} has ${word} in its name`);
  return join(crdsFolder(), found);
}

/**
 * Takes them out of their modules, once.
 *
 * @param say told of progress, a line at a time
 * @throws Error when there is no Go, or a module is not what its hash says
 */
export async function fetchPublished(say: (line: string) => void): Promise<void> {
  if (arePublishedAtHand()) return;
  say(`fetching the schemas of Kubernetes and the CRDs of others once into ${cacheFolder()}`);
  await mkdir(cacheFolder(), { recursive: true });
  const unfinished = await mkdtemp(join(cacheFolder(), 'fetching-'));
  try {
    const [schemas, crds] = [join(unfinished, 'published/schemas'), join(unfinished, 'published/crds')];
    await Promise.all([mkdir(schemas, { recursive: true }), mkdir(crds, { recursive: true })]);
    for (const { version, sum } of KUBERNETES) {
      say(`Kubernetes ${version} …`);
      await inModule({ path: 'k8s.io/kubernetes', version: `v${version}`, sum }, unfinished, async (module) => {
        const spec = JSON.parse(await readFile(join(module, 'api/openapi-spec/swagger.json'), 'utf8'));
        await writeFile(join(schemas, `${version}.json`), JSON.stringify(reduced(version, spec.definitions)));
      });
    }
    for (const { files, ...module } of CRDS) {
      say(`${module.path} ${module.version} …`);
      await inModule(module, unfinished, async (where) => {
        for (const file of files) await copyFile(join(where, file), join(crds, basename(file)));
      });
    }
    await rename(join(unfinished, 'published'), folder()).catch((error: NodeJS.ErrnoException) => {
      // Somebody else was faster; theirs is as good.
      if (!['EEXIST', 'ENOTEMPTY'].includes(error.code ?? '')) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Into a module cache that is thrown away: a module of Kubernetes is 100 MB, and what is taken of it 1 %. */
async function inModule(
  { path, version, sum }: Module,
  scratch: string,
  take: (folder: string) => Promise<void>,
): Promise<void> {
  const cache = join(scratch, 'modules');
  const child = spawn('go', ['mod', 'download', '-json', `${path}@${version}`], {
    cwd: scratch,
    env: { ...process.env, GOMODCACHE: cache, GOFLAGS: '-modcacherw', GOWORK: 'off' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
  await once(child, 'close').catch((error: Error) => {
    throw new Error(`Go cannot be started (${error.message}): install Go 1.25 or newer`);
  });
  const told = JSON.parse(answer || '{}') as { Dir?: string; Sum?: string; Error?: string };
  if (!told.Dir)
    throw new Error(`${path} ${version} cannot be fetched: ${told.Error ?? 'go mod download said nothing'}`);
  if (told.Sum !== sum) throw new Error(`${path} ${version} has the hash ${told.Sum}, and was pinned with ${sum}`);
  await take(told.Dir);
  await rm(cache, { recursive: true, force: true });
}

/** The kinds that are rendered, and what they lead to, without its prose. */
function reduced(version: string, definitions: Record<string, Schema>): KubernetesSchemas {
  const kinds: Record<string, string> = {};
  for (const [name, definition] of Object.entries(definitions)) {
    const [of] = (definition['x-kubernetes-group-version-kind'] ?? []) as Record<string, string>[];
    const kind = of && `${of.group}/${of.version} ${of.kind}`;
    if (kind && KINDS.has(kind)) kinds[kind] = name;
  }
  const kept: Record<string, Schema> = {};
  const waiting = Object.values(kinds);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (kept[name]) continue;
    const text = JSON.stringify(definitions[name], (key, value) =>
      key === 'description' && typeof value === 'string' ? undefined : value,
    );
    kept[name] = JSON.parse(text) as Schema;
    for (const [, found] of text.matchAll(/"#\/definitions\/([^"]+)"/g)) waiting.push(found!);
  }
  return { version, kinds, definitions: kept };
}
