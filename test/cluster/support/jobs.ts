import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { App, Chart, Yaml } from 'cdk8s';
import { expect } from 'vitest';
import { KmsBootstrapJob, type KmsBootstrapJobProps } from '../../../constructs/index.ts';
import type { TestCluster } from './cluster.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

interface Container {
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: {
      readonly fieldRef?: { readonly fieldPath: string };
      readonly secretKeyRef?: { readonly name: string; readonly key: string };
    };
  }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}
interface PodSpec {
  readonly serviceAccountName: string;
  readonly containers: readonly [Container];
  readonly volumes?: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of a Job's pod. */
export interface JobRun {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** A Job that was applied, and what its pod would run: command, environment and mounts as the API server has them. */
export class AppliedJob {
  readonly #cluster: TestCluster;
  readonly #namespace: string;
  readonly #pod: PodSpec;
  readonly #mounts: string;
  #runs = 0;

  private constructor(cluster: TestCluster, namespace: string, pod: PodSpec, mounts: string) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#pod = pod;
    this.#mounts = mounts;
  }

  /** Applies what the construct renders. */
  static async apply(cluster: TestCluster, props: KmsBootstrapJobProps): Promise<AppliedJob> {
    const chart = new Chart(new App(), 'bootstrap');
    const { jobName, namespace } = new KmsBootstrapJob(chart, 'bootstrap', props);
    const told = await cluster.apply(Yaml.stringify(...chart.toJson()));
    expect(told).not.toContain('Warning');
    return AppliedJob.of(cluster, namespace, jobName);
  }

  static async of(cluster: TestCluster, namespace: string, name: string): Promise<AppliedJob> {
    const job = JSON.parse(await cluster.kubectl('-n', namespace, 'get', 'job', name, '-o', 'json'));
    const pod = job.spec.template.spec as PodSpec;
    expect(pod.containers).toHaveLength(1);
    const mounts = join(cluster.plane.folder, `job-${name}`);
    await mkdir(mounts, { recursive: true, mode: 0o700 });
    return new AppliedJob(cluster, namespace, pod, mounts);
  }

  /** Starts it once, as a pod would. */
  async start(changes: Record<string, string> = {}): Promise<JobRun> {
    const [container] = this.#pod.containers;
    const env = { ...(await this.#environmentOf(container)), ...changes };
    const folders = await this.#mountedIn(container);
    const args = container.args.map((text) => {
      const mount = Object.keys(folders).find((path) => text.startsWith(`${path}/`));
      return mount === undefined ? text : text.replace(mount, folders[mount]!);
    });
    const [program, ...command] = container.command as [string, ...string[]];
    const child = spawn(process.execPath, [join(root, `bin/${program}.js`), ...command, ...args], {
      cwd: '/',
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = new Promise<Ended>((resolve) => {
      child.once('close', (code) => resolve({ code, stdout, stderr }));
    });
    return { child, ended };
  }

  async run(changes: Record<string, string> = {}): Promise<Ended> {
    return (await this.start(changes)).ended;
  }

  async #environmentOf({ env }: Container): Promise<Record<string, string>> {
    const run = `run-${++this.#runs}`;
    const filled = async ({ value, valueFrom }: Container['env'][number]): Promise<string> => {
      if (value !== undefined) return value;
      if (valueFrom?.fieldRef) return run;
      const { name, key } = valueFrom!.secretKeyRef!;
      const found = (await this.#cluster.data(this.#namespace, name))?.[key];
      if (found === undefined) throw new Error(`the pod would wait for the Secret ${name} with ${key}`);
      return found;
    };
    const own = await Promise.all(env.map(async (one) => [one.name, await filled(one)] as const));
    return { PATH: process.env.PATH!, HOME: '/nonexistent', ...(await this.#account()), ...Object.fromEntries(own) };
  }

  async #account(): Promise<Record<string, string>> {
    const folder = join(this.#mounts, 'account');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const token = await this.#cluster.kubectl('-n', this.#namespace, 'create', 'token', this.#pod.serviceAccountName);
    await writeFile(join(folder, 'token'), token.trim(), { mode: 0o600 });
    await writeFile(join(folder, 'ca.crt'), this.#cluster.plane.ca);
    const { hostname, port } = new URL(this.#cluster.plane.url);
    return { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, SERVICE_ACCOUNT_FOLDER: folder };
  }

  /** By mount path: the folder that stands for it here. */
  async #mountedIn({ volumeMounts = [] }: Container): Promise<Record<string, string>> {
    const folders: Record<string, string> = {};
    for (const { name, mountPath } of volumeMounts) {
      const { configMap } = this.#pod.volumes!.find((volume) => volume.name === name)!;
      const told = await this.#cluster.kubectl(
        '-n',
        this.#namespace,
        'get',
        'configmap',
        configMap!.name,
        '-o',
        'json',
      );
      const folder = join(this.#mounts, name);
      for (const [file, text] of Object.entries(JSON.parse(told).data as Record<string, string>)) {
        await mkdir(dirname(join(folder, file)), { recursive: true });
        await writeFile(join(folder, file), text);
      }
      folders[mountPath] = folder;
    }
    return folders;
  }
}
