import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { LocalWorkspace, PulumiCommand, type PulumiFn, type Stack } from '@pulumi/pulumi/automation/index.js';

/** Pulumi's real engine, with a backend of files, and with a provider of ours in place of the published one. */
export class Engine {
  /** Where the project and its state are. */
  readonly folder: string;
  /** What the CLI and the Automation API are told. */
  readonly env: Readonly<Record<string, string>>;
  readonly #provider: ChildProcess;
  readonly #command: PulumiCommand;
  #complaints = '';

  private constructor(folder: string, env: Record<string, string>, provider: ChildProcess, command: PulumiCommand) {
    this.folder = folder;
    this.env = env;
    this.#provider = provider;
    this.#command = command;
    provider.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#complaints += text));
  }

  /** @param program where the CLI is */
  static async start(program: string, kubeconfig: string): Promise<Engine> {
    const folder = await mkdtemp(join(tmpdir(), 'kms-pulumi-'));
    for (const name of ['bin', 'state', 'home']) await mkdir(join(folder, name));
    await symlink(program, join(folder, 'bin/pulumi'));
    const provider = spawn(process.execPath, [join(import.meta.dirname, 'kubernetes-provider.ts')], {
      env: { PATH: process.env.PATH ?? '', HOME: folder, KUBECONFIG: kubeconfig },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [port] = (await once(createInterface(provider.stdout!), 'line')) as [string];
    const env = {
      PATH: [join(folder, 'bin'), process.env.PATH].join(':'),
      HOME: folder,
      KUBECONFIG: kubeconfig,
      PULUMI_HOME: join(folder, 'home'),
      PULUMI_BACKEND_URL: `file://${join(folder, 'state')}`,
      PULUMI_CONFIG_PASSPHRASE: randomBytes(16).toString('hex'),
      PULUMI_DEBUG_PROVIDERS: `kubernetes:${port}`,
      PULUMI_SKIP_UPDATE_CHECK: 'true',
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
    };
    const command = await PulumiCommand.get({ root: folder });
    return new Engine(folder, env, provider, command);
  }

  /** The CLI's own version, such as `3.274.1`. */
  get version(): string {
    return String(this.#command.version);
  }

  /** What the provider complained of. */
  get complaints(): string {
    return this.#complaints;
  }

  /** A stack of an inline program: the language host is published as a program alone, too, and such a stack needs none. */
  async stack(name: string, project: string, program: PulumiFn): Promise<Stack> {
    const workDir = join(this.folder, 'projects', project);
    await mkdir(workDir, { recursive: true });
    await writeFile(join(workDir, 'Pulumi.yaml'), `name: ${project}\nruntime: nodejs\n`);
    return LocalWorkspace.createOrSelectStack(
      { stackName: name, projectName: project, program },
      { workDir, envVars: { ...this.env }, pulumiCommand: this.#command },
    );
  }

  /** All that the backend keeps: states, their former versions, and the history. */
  async kept(): Promise<string> {
    const folder = join(this.folder, 'state');
    const files = await readdir(folder, { recursive: true, withFileTypes: true });
    const texts = files
      .filter((file) => file.isFile())
      .map((file) => readFile(join(file.parentPath, file.name), 'utf8'));
    return (await Promise.all(texts)).join('\n');
  }

  async stop(): Promise<void> {
    this.#provider.kill();
    if (this.#provider.exitCode === null && this.#provider.signalCode === null) await once(this.#provider, 'exit');
    await rm(this.folder, { recursive: true, force: true });
  }
}
