import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { pino } from 'pino';
import { Agent, fetch } from 'undici';
import { vi } from 'vitest';
import { kmsSecretCrd } from '../../../contracts/index.ts';
import { readConfig } from '../../../operator/config.ts';
import { type KmsSecret, KmsSecrets } from '../../../operator/kms-secret.ts';
import type { Cluster } from '../../../operator/kubernetes/access.ts';
import { KubernetesApi } from '../../../operator/kubernetes/api.ts';
import { KubernetesError } from '../../../operator/kubernetes/errors.ts';
import { clusterOf } from '../../../operator/kubernetes/kubeconfig.ts';
import type { KubernetesObject, Resource } from '../../../operator/kubernetes/resources.ts';
import { Namespaces, Secrets } from '../../../operator/kubernetes/resources.ts';
import { type Operator, startOperator } from '../../../operator/operator.ts';
import { type ControlPlane, startControlPlane } from '../../../tools/cluster/control-plane.ts';
import { addNodes } from '../../../tools/cluster/nodes.ts';
import { programsAtHand } from '../../../tools/cluster/programs.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { OperatorProcess } from './operator-process.ts';

const Crds: Resource = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};

/** A control plane with the CRD, a KMS beside it, and what the tests of the operator do with both. */
export class TestCluster {
  readonly plane: ControlPlane;
  readonly kms: TestServer;
  /** Where the KMS answers. */
  readonly url: string;
  /** As an admin of the cluster. */
  readonly api: KubernetesApi;
  /** Those that were started, in their order. */
  readonly operators: Operator[] = [];
  readonly #processes: OperatorProcess[] = [];
  readonly #agent: Agent;
  readonly #kubectl: string;

  private constructor(plane: ControlPlane, kubectl: string, kms: TestServer, url: string) {
    this.plane = plane;
    this.#kubectl = kubectl;
    this.#agent = new Agent({ connect: { ca: plane.ca } });
    this.kms = kms;
    this.url = url;
    this.api = new KubernetesApi(this.cluster());
  }

  /**
   * @param nodes that pods can run on, of which none runs a container. @default 0
   * @param crd whether KMSSecrets are known from the start. @default true
   * @param spreadsByDefault whether pods are spread that do not ask for it. @default true
   * @param server settings of the KMS beside it
   */
  static async start({
    nodes = 0,
    crd = true,
    spreadsByDefault = true,
    server = {},
  }: {
    readonly nodes?: number;
    readonly crd?: boolean;
    readonly spreadsByDefault?: boolean;
    readonly server?: Parameters<typeof startServer>[0];
  } = {}): Promise<TestCluster> {
    const programs = programsAtHand();
    if (!programs) throw new Error('no control plane: run npm run cluster -- build');
    const [plane, kms] = await Promise.all([
      startControlPlane(programs, { spreadsByDefault }),
      startServer({ events: { longestMs: 3_600_000 }, ...server }),
    ]);
    const cluster = new TestCluster(plane, programs.kubectl, kms, await kms.app.listen({ host: '127.0.0.1', port: 0 }));
    if (crd) await cluster.api.create(Crds, undefined, kmsSecretCrd() as KubernetesObject);
    await Promise.all([crd && cluster.#served(), addNodes(plane.kubeconfig, nodes)]);
    return cluster;
  }

  /** As an admin. */
  cluster(): Cluster {
    const config = new KubeConfig();
    config.loadFromFile(this.plane.kubeconfig);
    return clusterOf(config);
  }

  async #served(): Promise<void> {
    const list = async () => {
      try {
        await this.api.list(KmsSecrets);
        return true;
      } catch (error) {
        if (error instanceof KubernetesError && error.isNotFound) return false;
        throw error;
      }
    };
    await vi.waitUntil(list, { timeout: 20_000, interval: 50 });
  }

  async namespace(name: string, labels: Record<string, string> = {}): Promise<string> {
    await this.api.create(Namespaces, undefined, { metadata: { name, labels } });
    return name;
  }

  async operator(name = 'operator-1', variables: Record<string, string> = {}): Promise<Operator> {
    const config = readConfig({ POD_NAMESPACE: 'default', POD_NAME: name, HOST: '127.0.0.1', PORT: '0', ...variables });
    const log = pino({ level: process.env.OPERATOR_LOG ?? 'silent' });
    const operator = await startOperator(this.cluster(), config, log);
    this.operators.push(operator);
    return operator;
  }

  /** The operator as it is published, in a process of its own that a test may harm. */
  async operatorProcess(name: string, variables: Record<string, string> = {}): Promise<OperatorProcess> {
    const started = await OperatorProcess.start({
      KUBECONFIG: this.plane.kubeconfig,
      POD_NAMESPACE: 'default',
      POD_NAME: name,
      HOST: '127.0.0.1',
      ...variables,
    });
    this.#processes.push(started);
    return started;
  }

  /** The operator in a process of its own, as a ServiceAccount and as in a pod. */
  async operatorAs(
    serviceAccount: string,
    namespace: string,
    variables: Record<string, string>,
  ): Promise<OperatorProcess> {
    const token = (await this.kubectl('-n', namespace, 'create', 'token', serviceAccount)).trim();
    const folder = join(this.plane.folder, serviceAccount);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await Promise.all([writeFile(join(folder, 'token'), token), writeFile(join(folder, 'ca.crt'), this.plane.ca)]);
    const { hostname, port } = new URL(this.plane.url);
    return this.operatorProcess(serviceAccount, {
      KUBECONFIG: '',
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
      SERVICE_ACCOUNT_FOLDER: folder,
      POD_NAMESPACE: namespace,
      ...variables,
    });
  }

  /** A project with secrets, and a Secret with the credentials of an identity that may read it. */
  async service(slug: string, namespace: string, secrets: Record<string, string>) {
    const { id: projectId } = await this.kms.project(slug);
    // One by one: together they may be more than one request holds.
    for (const [key, value] of Object.entries(secrets)) await this.kms.setSecrets(projectId, 'prod', { [key]: value });
    const machine = await this.kms.machine(`${slug}-service`, { projectId, roles: [{ role: 'viewer' }] });
    await this.credentials(slug, namespace, machine);
    return { projectId, machine };
  }

  async credentials(
    slug: string,
    namespace: string,
    { clientId, clientSecret }: { clientId: string; clientSecret: string },
  ) {
    const encode = (text: string) => Buffer.from(text).toString('base64');
    await this.api.apply(
      Secrets,
      {
        metadata: { name: `${slug}-kms-auth`, namespace },
        data: { clientId: encode(clientId), clientSecret: encode(clientSecret) },
      },
      { fieldManager: 'platform-engineer' },
    );
  }

  /** HIP-27's KMSSecret of a service, with what a test changes in it. */
  async kmsSecret(
    slug: string,
    namespace: string,
    spec: Record<string, unknown> = {},
    scope: Record<string, unknown> = {},
  ): Promise<KmsSecret> {
    const body = {
      metadata: { name: `${slug}-kms-sync`, namespace },
      spec: {
        hostAPI: this.url,
        resyncInterval: 60,
        authentication: {
          universalAuth: {
            credentialsRef: { secretName: `${slug}-kms-auth`, secretNamespace: namespace },
            secretsScope: { projectSlug: slug, envSlug: 'production', secretsPath: '/', ...scope },
          },
        },
        managedSecretReference: { secretName: `${slug}-secrets`, secretNamespace: namespace, secretType: 'Opaque' },
        ...spec,
      },
    };
    return this.api.create(KmsSecrets, namespace, body as unknown as KmsSecret);
  }

  /** The API server as curl would ask it. */
  async raw(method: string, url: string, body?: unknown): Promise<{ status: number; body: any }> {
    const response = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${this.plane.token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      dispatcher: this.#agent,
    });
    return { status: response.status, body: await response.json() };
  }

  /** `kubectl apply`, server-side unless said otherwise. */
  async apply(yaml: string, ...args: string[]): Promise<string> {
    const file = join(this.plane.folder, `${randomUUID()}.yaml`);
    await writeFile(file, yaml);
    return this.kubectl('apply', '--server-side', '-f', file, ...args);
  }

  async kubectl(...args: string[]): Promise<string> {
    const env = { PATH: process.env.PATH, HOME: this.plane.folder, KUBECONFIG: this.plane.kubeconfig };
    const { stdout, stderr } = await promisify(execFile)(this.#kubectl, args, {
      env,
      timeout: 30_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    // Warnings of the API server are among what a test looks at.
    return stderr + stdout;
  }

  /** A script as people type it, with this cluster's kubectl on the path. */
  async bash(script: string): Promise<string> {
    const PATH = [dirname(this.#kubectl), process.env.PATH].join(delimiter);
    const env = { PATH, HOME: this.plane.folder, KUBECONFIG: this.plane.kubeconfig };
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', script], { env, timeout: 60_000 });
    return stdout;
  }

  /** The CRD of a file, served when this resolves. */
  async crd(file: string): Promise<void> {
    const told = await this.kubectl('apply', '--server-side', '-f', file);
    const name = /customresourcedefinition\.apiextensions\.k8s\.io\/(\S+)/.exec(told)![1]!;
    const isServed = () =>
      this.kubectl('get', name, '--all-namespaces').then(
        () => true,
        () => false,
      );
    await vi.waitUntil(isServed, { timeout: 20_000, interval: 100 });
  }

  /** What a Secret holds, as text; undefined when there is none. */
  async data(namespace: string, name: string): Promise<Record<string, string> | undefined> {
    try {
      const { data = {} } = await this.api.get(Secrets, { namespace, name });
      return Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
      );
    } catch (error) {
      if (error instanceof KubernetesError && error.isNotFound) return undefined;
      throw error;
    }
  }

  /** The Synced condition of a KMSSecret. */
  async synced(slug: string, namespace: string) {
    const { status } = await this.api.get(KmsSecrets, { namespace, name: `${slug}-kms-sync` });
    return status?.conditions?.find(({ type }) => type === 'Synced');
  }

  async close(): Promise<void> {
    await Promise.all([...this.operators, ...this.#processes].map((operator) => operator.stop()));
    this.api.close();
    await this.#agent.close();
    await Promise.all([this.plane.stop(), this.kms.close()]);
  }
}
