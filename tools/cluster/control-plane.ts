import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stringify } from 'yaml';
import { Daemon } from './daemon.ts';
import { freePorts } from './free-ports.ts';
import type { Programs } from './programs.ts';

/** A running control plane: etcd, the API server, the controllers, the scheduler, and kwok in place of kubelets. */
export interface ControlPlane {
  /** Address of the API server. */
  readonly url: string;
  /** Everything of it: data, keys, logs. */
  readonly folder: string;
  /** File for KUBECONFIG: the user `admin` of the group system:masters. */
  readonly kubeconfig: string;
  /** The API server's certificate, PEM. */
  readonly ca: string;
  readonly token: string;
  readonly etcd: Daemon;
  readonly apiServer: Daemon;
  readonly controllers: Daemon;
  readonly scheduler: Daemon;
  readonly kwok: Daemon;
  /** Resolves when the API server answers that it is ready, such as after it was started again. */
  ready(): Promise<void>;
  /** Stops all of it and removes its folder. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /**
   * Whether the scheduler spreads pods over nodes and zones that do not ask for it. Without, what asks for it can be told from what does not.
   * @default true
   */
  readonly spreadsByDefault?: boolean;
}

const READY_WITHIN_MS = 60_000;

/**
 * Starts a control plane on free ports of 127.0.0.1, in a temporary folder of its own. Nodes are made by `addNodes`; containers
 * do not run, their pods only report that they are ready.
 *
 * @throws Error with the last lines of the program that did not start
 */
export async function startControlPlane(
  programs: Programs,
  { spreadsByDefault = true }: ControlPlaneOptions = {},
): Promise<ControlPlane> {
  const folder = await mkdtemp(join(tmpdir(), 'hanzo-kms-cluster-'));
  const daemons: Daemon[] = [];
  const stop = async () => {
    // The API server before etcd, or it would wait for it.
    for (const daemon of [...daemons].reverse()) await daemon.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return await start(programs, folder, daemons, stop, spreadsByDefault);
  } catch (error) {
    const dead = daemons.find(({ isRunning }) => !isRunning);
    const complaint = dead ? `\n${dead.name} ended:\n${dead.complaint()}` : '';
    await stop();
    throw new Error(`the control plane did not start: ${(error as Error).message}${complaint}`);
  }
}

async function start(
  programs: Programs,
  folder: string,
  daemons: Daemon[],
  stop: () => Promise<void>,
  spreadsByDefault: boolean,
): Promise<ControlPlane> {
  const daemon = (name: keyof Programs, args: readonly string[]) => {
    const made = new Daemon(name, programs[name], args, join(folder, `${name}.log`));
    daemons.push(made);
    made.start();
    return made;
  };
  const [clientPort, peerPort, securePort] = await freePorts(3);
  const store = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const etcd = daemon('etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${store}`,
    `--advertise-client-urls=${store}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
    '--log-level=warn',
  ]);
  const token = randomBytes(24).toString('hex');
  const keyFile = join(folder, 'service-accounts.key');
  const tokenFile = join(folder, 'tokens.csv');
  const certificates = join(folder, 'certificates');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await Promise.all([
    writeFile(keyFile, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 }),
    writeFile(tokenFile, `${token},admin,admin,system:masters\n`, { mode: 0o600 }),
    mkdir(certificates),
  ]);
  const url = `https://127.0.0.1:${securePort}`;
  const apiServer = daemon('kube-apiserver', [
    `--etcd-servers=${store}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${keyFile}`,
    `--service-account-signing-key-file=${keyFile}`,
    `--token-auth-file=${tokenFile}`,
    '--authorization-mode=RBAC',
    `--secure-port=${securePort}`,
    '--bind-address=127.0.0.1',
    `--cert-dir=${certificates}`,
    '--service-cluster-ip-range=10.0.0.0/24',
    '--allow-privileged=true',
  ]);
  const certificate = join(certificates, 'apiserver.crt');
  const ready = async () => {
    await until(
      `${url}/readyz`,
      async () => {
        const ca = await readFile(certificate, 'utf8').catch(() => undefined);
        return ca !== undefined && (await answersOk(`${url}/readyz`, ca, token));
      },
      () => apiServer.isRunning && etcd.isRunning,
    );
  };
  await ready();
  const ca = await readFile(certificate, 'utf8');
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigOf(url, ca, token), { mode: 0o600 });
  const controllers = daemon('kube-controller-manager', [
    `--kubeconfig=${kubeconfig}`,
    `--service-account-private-key-file=${keyFile}`,
    `--root-ca-file=${certificate}`,
    '--use-service-account-credentials',
    '--leader-elect=false',
    '--secure-port=0',
  ]);
  const scheduling = join(folder, 'scheduler.yaml');
  await writeFile(scheduling, schedulingOf(kubeconfig, spreadsByDefault));
  const scheduler = daemon('kube-scheduler', [`--config=${scheduling}`, '--secure-port=0']);
  const kwok = daemon('kwok', [`--kubeconfig=${kubeconfig}`, '--manage-all-nodes=true', '--server-address=']);
  return { folder, url, kubeconfig, ca, token, etcd, apiServer, controllers, scheduler, kwok, ready, stop };
}

function schedulingOf(kubeconfig: string, spreadsByDefault: boolean): string {
  const args = spreadsByDefault ? { defaultingType: 'System' } : { defaultingType: 'List', defaultConstraints: [] };
  return stringify({
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    clientConnection: { kubeconfig },
    leaderElection: { leaderElect: false },
    profiles: [{ schedulerName: 'default-scheduler', pluginConfig: [{ name: 'PodTopologySpread', args }] }],
  });
}

/** A kubeconfig with one cluster and one user. */
export function kubeconfigOf(url: string, ca: string, token: string): string {
  const name = 'hanzo-kms';
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  });
}

async function until(what: string, holds: () => Promise<boolean>, isAlive: () => boolean): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await holds())) {
    if (!isAlive()) throw new Error('a program of it ended');
    if (Date.now() > deadline) throw new Error(`${what} is not ready after ${READY_WITHIN_MS / 1000} s`);
    await sleep(50);
  }
}

function answersOk(url: string, ca: string, token: string): Promise<boolean> {
  return new Promise((resolve) => {
    request(url, { ca, headers: { authorization: `Bearer ${token}` }, timeout: 2000, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('timeout', function (this: { destroy(): void }) {
        this.destroy();
      })
      .on('error', () => resolve(false))
      .end();
  });
}
