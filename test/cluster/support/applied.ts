import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { TestCluster } from './cluster.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: number | string };
}
interface Container {
  readonly command?: readonly string[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly envFrom?: readonly { readonly secretRef: { readonly name: string } }[];
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}
interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken?: boolean;
  readonly containers: readonly Container[];
}

export interface RunningPod {
  readonly url: string;
  readonly output: () => string;
  /** Ends it without a word. */
  readonly kill: () => Promise<void>;
}

/**
 * Runs what applied Deployments would run, as processes: command, environment and probes are read from the API server, and filled
 * in as a kubelet does. Each has a loopback address of its own in place of a pod's, so that it listens on the very port that
 * its object names. The image and its user cannot be had without a container.
 */
export class AppliedPods {
  readonly #cluster: TestCluster;
  readonly #folder: string;
  readonly #children: ChildProcess[] = [];

  /** @param folder of its own, for what is mounted */
  constructor(cluster: TestCluster, folder: string) {
    this.#cluster = cluster;
    this.#folder = folder;
  }

  /**
   * A pod of a Deployment in the namespace hanzo; resolves when it is ready by its own probe.
   *
   * @param entrypoint what the image runs where the object has no command
   */
  async run(deployment: string, host: string, entrypoint: string): Promise<RunningPod> {
    const spec = await this.#podOf(deployment);
    const [container] = spec.containers as [Container];
    const [program = entrypoint] = container.command ?? [];
    const env = { ...(await this.#environmentOf(deployment, spec)), HOST: host, KMS_METRICS_HOST: host };
    const child = spawn(process.execPath, [join(root, `bin/${program}.js`)], {
      cwd: this.#folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#children.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    const portOf = (port: number | string) =>
      typeof port === 'number' ? port : container.ports.find(({ name }) => name === port)!.containerPort;
    const ask = async ({ httpGet: { path, port } }: Probe) => {
      if (child.exitCode !== null) throw new Error(`${program} ended: ${output}`);
      const response = await fetch(`http://${host}:${portOf(port)}${path}`).catch(() => undefined);
      return response?.status;
    };
    await expect.poll(() => ask(container.readinessProbe), { timeout: 30_000 }).toBe(200);
    expect(await ask(container.livenessProbe)).toBe(200);
    const declared = container.ports.map(({ containerPort }) => containerPort);
    expect(declared).toContain(portOf(container.readinessProbe.httpGet.port));
    const kill = async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    };
    return { url: `http://${host}:${portOf('http')}`, output: () => output, kill };
  }

  async #podOf(deployment: string): Promise<PodSpec> {
    const told = await this.#cluster.kubectl('-n', 'hanzo', 'get', 'deployment', deployment, '-o', 'json');
    const pod = JSON.parse(told).spec.template.spec as PodSpec;
    expect(pod.containers).toHaveLength(1);
    return pod;
  }

  async #environmentOf(deployment: string, spec: PodSpec): Promise<Record<string, string>> {
    const [{ env = [], envFrom = [] }] = spec.containers as [Container];
    const pod: Record<string, string> = { 'metadata.namespace': 'hanzo', 'metadata.name': `${deployment}-0` };
    const from = await Promise.all(envFrom.map(({ secretRef }) => this.#cluster.data('hanzo', secretRef.name)));
    const own = env.map(({ name, value, valueFrom }) => [name, value ?? pod[valueFrom!.fieldRef.fieldPath]]);
    const base = { PATH: process.env.PATH, HOME: this.#folder };
    return {
      ...base,
      ...(spec.automountServiceAccountToken === false ? {} : await this.#account(spec.serviceAccountName)),
      ...Object.assign({}, ...from),
      ...Object.fromEntries(own),
    };
  }

  /** The mount of a ServiceAccount, and the two variables of every pod. */
  async #account(name: string): Promise<Record<string, string>> {
    const folder = join(this.#folder, `account-${name}`);
    await mkdir(folder, { mode: 0o700, recursive: true });
    const token = (await this.#cluster.kubectl('-n', 'hanzo', 'create', 'token', name)).trim();
    await writeFile(join(folder, 'token'), token, { mode: 0o600 });
    await writeFile(join(folder, 'ca.crt'), this.#cluster.plane.ca);
    const { hostname, port } = new URL(this.#cluster.plane.url);
    return { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port, SERVICE_ACCOUNT_FOLDER: folder };
  }

  async stop(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }
}
