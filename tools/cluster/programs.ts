import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The programs of a control plane, built from public Go modules into a cache outside of the repository: no container engine and
 * no download of a binary. The modules are pinned in programs/ by go.mod and go.sum.
 */

const PROGRAMS = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl', 'kwok'] as const;
/** A program of the control plane, or beside it. */
type Program = (typeof PROGRAMS)[number];
/** A program that some tests use beside a control plane. */
type Tool = 'rulecheck' | 'helm' | 'pulumi' | 'act' | 'actionlint' | 'sops' | 'age-keygen';
/** Where each program lies. */
export type Programs = Readonly<Record<Program, string>>;

interface Module {
  /** Folder under programs/. */
  readonly folder: string;
  readonly version: string;
  /** Package to build, by program. */
  readonly packages: Partial<Record<Program | Tool, string>>;
  /** Minutes that it took on two cores with an empty cache. */
  readonly minutes: number;
  readonly ldflags?: string;
}

/** Version of Kubernetes that the tests run against. */
export const KUBERNETES_VERSION = '1.34.4';

const MODULES: readonly Module[] = [
  {
    folder: 'kubernetes',
    version: KUBERNETES_VERSION,
    packages: Object.fromEntries(
      (['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'] as const).map((program) => [
        program,
        `k8s.io/kubernetes/cmd/${program}`,
      ]),
    ),
    minutes: 10,
    // Kubernetes stamps its version when it is built; without it clients cannot tell what they talk to.
    ldflags: ['gitVersion=v1.34.4', 'gitMajor=1', 'gitMinor=34', 'gitTreeState=clean']
      .flatMap((fact) => [`-X k8s.io/component-base/version.${fact}`, `-X k8s.io/client-go/pkg/version.${fact}`])
      .join(' '),
  },
  { folder: 'etcd', version: '3.6.16', packages: { etcd: '.' }, minutes: 2 },
  { folder: 'kwok', version: '0.7.0', packages: { kwok: 'sigs.k8s.io/kwok/cmd/kwok' }, minutes: 3 },
];

/** Run, and judge, workflows of GitHub Actions. */
const ACTIONS: Module = {
  folder: 'actions',
  version: '0.2.89',
  packages: { act: 'github.com/nektos/act', actionlint: 'github.com/rhysd/actionlint/cmd/actionlint' },
  minutes: 2,
};

const SOPS: Module = {
  folder: 'sops',
  version: '3.13.3',
  packages: { sops: 'github.com/getsops/sops/v3/cmd/sops', 'age-keygen': 'filippo.io/age/cmd/age-keygen' },
  minutes: 3,
};

/** Beside the control plane. */
const TOOLS: Readonly<Record<Tool, Module>> = {
  // Reads rules as Prometheus does.
  rulecheck: { folder: 'prometheus', version: '0.307.3', packages: { rulecheck: '.' }, minutes: 1 },
  helm: {
    folder: 'helm',
    version: '3.19.5',
    packages: { helm: 'helm.sh/helm/v3/cmd/helm' },
    minutes: 2,
    // As Helm's own releases do: without them it takes a cluster that it cannot ask for Kubernetes 1.20.
    ldflags: [
      'internal/version.version=v3.19.5',
      ...['pkg/lint/rules', 'pkg/chartutil'].flatMap((where) => [
        `${where}.k8sVersionMajor=1`,
        `${where}.k8sVersionMinor=34`,
      ]),
    ]
      .map((fact) => `-X helm.sh/helm/v3/${fact}`)
      .join(' '),
  },
  pulumi: {
    folder: 'pulumi',
    version: '3.274.1',
    packages: { pulumi: 'github.com/pulumi/pulumi/pkg/v3/cmd/pulumi' },
    minutes: 6,
    // Without it the Automation API cannot tell whether the program is new enough.
    ldflags: '-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v3.274.1',
  },
  act: ACTIONS,
  actionlint: ACTIONS,
  sops: SOPS,
  'age-keygen': SOPS,
};

/** All of them. */
export const TOOL_NAMES = Object.keys(TOOLS) as Tool[];

const sources = fileURLToPath(new URL('programs/', import.meta.url));

/** Where what is built or fetched stays, for all clones of one user. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'hanzo-kms/cluster');
}

/** A change of what is built, or of how, is another folder: programs in use are never replaced. */
function folderOf(module: Module): string {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${module.ldflags}\n`);
  for (const file of readdirSync(join(sources, module.folder)).sort())
    hash.update(`${file}\n`).update(readFileSync(join(sources, module.folder, file)));
  return join(cacheFolder(), `${module.folder}-${module.version}-${hash.digest('hex').slice(0, 12)}`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Where a program lies already: in the folders that KUBEBUILDER_ASSETS names, as envtest's users have them, or else in the cache.
 *
 * @returns undefined when it is in neither
 */
function find(program: Program | Tool, module: Module): string | undefined {
  const assets = (process.env.KUBEBUILDER_ASSETS ?? '').split(delimiter).filter(Boolean);
  return [...assets, folderOf(module)].map((folder) => join(folder, program)).find(isProgram);
}

/**
 * The programs, when all of them are at hand.
 *
 * @returns undefined when one would have to be built
 */
export function programsAtHand(): Programs | undefined {
  const found = MODULES.flatMap((module) =>
    (Object.keys(module.packages) as Program[]).map((program) => [program, find(program, module)] as const),
  );
  return found.every(([, path]) => path !== undefined) ? (Object.fromEntries(found) as Programs) : undefined;
}

/**
 * The programs; those that are not at hand are built first, which takes a quarter of an hour on two cores the first time.
 *
 * @param say told of progress, a line at a time
 * @throws Error that says what is missing: Go, or the module proxy
 */
export async function buildPrograms(say: (line: string) => void): Promise<Programs> {
  const missing = MODULES.filter((module) =>
    (Object.keys(module.packages) as Program[]).some((program) => find(program, module) === undefined),
  );
  const minutes = missing.reduce((sum, module) => sum + module.minutes, 0);
  if (missing.length > 0)
    say(
      `building ${missing.map(({ folder }) => folder).join(', ')} once into ${cacheFolder()}: about ${minutes} minutes on two cores`,
    );
  let left = minutes;
  for (const module of missing) {
    await build(module, say, left);
    left -= module.minutes;
  }
  const programs = programsAtHand();
  if (!programs) throw new Error(`the control plane's programs are not in ${cacheFolder()} after they were built`);
  return programs;
}

/** A program beside the control plane. @returns undefined when it would have to be built */
export function toolAtHand(tool: Tool): string | undefined {
  return find(tool, TOOLS[tool]);
}

/** A program beside the control plane, built when it is not at hand. @throws Error as `buildPrograms` does */
export async function buildTool(tool: Tool, say: (line: string) => void): Promise<string> {
  const module = TOOLS[tool];
  if (!find(tool, module)) await build(module, say, module.minutes);
  return find(tool, module)!;
}

async function build(module: Module, say: (line: string) => void, minutesLeft: number): Promise<void> {
  const target = folderOf(module);
  mkdirSync(cacheFolder(), { recursive: true });
  const unfinished = mkdtempSync(join(cacheFolder(), 'building-'));
  try {
    for (const [program, goPackage] of Object.entries(module.packages)) {
      const start = Date.now();
      const seconds = () => Math.round((Date.now() - start) / 1000);
      say(`${program} ${module.version} …`);
      const ticker = setInterval(
        () => say(`${program}: still building (${seconds()} s; about ${minutesLeft} minutes in all from here)`),
        30_000,
      );
      try {
        await go(join(sources, module.folder), [
          'build',
          '-trimpath',
          '-ldflags',
          `-s -w ${module.ldflags ?? ''}`,
          '-o',
          join(unfinished, program),
          goPackage,
        ]);
      } finally {
        clearInterval(ticker);
      }
      say(`${program} ${module.version} built in ${seconds()} s`);
    }
    try {
      renameSync(unfinished, target);
    } catch (error) {
      // Somebody else was faster; theirs is as good.
      if (!['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

async function go(cwd: string, args: readonly string[]): Promise<void> {
  const child = spawn('go', args, {
    cwd,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false', GOWORK: 'off' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-4000)));
  const [code, signal] = await once(child, 'close').catch((error: Error) => {
    throw new Error(
      `Go cannot be started (${error.message}): install Go 1.25 or newer, or name a folder with the programs by KUBEBUILDER_ASSETS`,
    );
  });
  if (code !== 0) throw new Error(`go ${args.join(' ')} ended with ${signal ?? `exit code ${code}`}:\n${complaint}`);
}
