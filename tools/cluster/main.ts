import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { addNodes } from './nodes.ts';
import { buildPrograms, buildTool, KUBERNETES_VERSION, TOOL_NAMES } from './programs.ts';
import { fetchPublished } from './published.ts';

/** `npm run cluster`: a real Kubernetes control plane on this machine, for as long as the command runs. */

const say = (line: string) => process.stderr.write(`cluster: ${line}\n`);

function count(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('it is a number of nodes, 0 to 999.');
  return Number(text);
}

async function up(nodes: number): Promise<ControlPlane> {
  const programs = await buildPrograms(say);
  const start = Date.now();
  const plane = await startControlPlane(programs);
  try {
    await addNodes(plane.kubeconfig, nodes);
  } catch (error) {
    await plane.stop();
    throw error;
  }
  say(
    `Kubernetes ${KUBERNETES_VERSION} with ${nodes} nodes is ready after ${((Date.now() - start) / 1000).toFixed(1)} s`,
  );
  return plane;
}

function told(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve(signal));
  });
}

async function keep(nodes: number): Promise<number> {
  const signal = told();
  const plane = await up(nodes);
  process.stdout.write(`export KUBECONFIG=${plane.kubeconfig}\n`);
  say('Ctrl-C stops it and leaves nothing behind');
  await signal;
  await plane.stop();
  say('stopped');
  return 0;
}

async function run(nodes: number, [program, ...args]: string[]): Promise<number> {
  const signal = told();
  const plane = await up(nodes);
  try {
    const child = spawn(program!, args, { stdio: 'inherit', env: { ...process.env, KUBECONFIG: plane.kubeconfig } });
    void signal.then((which) => child.kill(which));
    const [code, ending] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + constants.signals[ending!];
  } finally {
    await plane.stop();
  }
}

const program = new Command('npm run cluster --')
  .enablePositionalOptions()
  .description(
    'A real Kubernetes control plane on this machine: API server, etcd, controllers, scheduler, and nodes that run no containers.',
  )
  .option('--nodes <count>', 'nodes that are there from the start', count, 3)
  .addHelpText(
    'after',
    `
Examples:
  npm run cluster                                  until Ctrl-C; prints the line that names its kubeconfig
  npm run cluster -- run kubectl get nodes         for one command
  npm run cluster -- build                         the programs and tools alone, once: half an hour on two cores

Programs that are in a folder of KUBEBUILDER_ASSETS are taken from there.`,
  )
  .action(async ({ nodes }: { nodes: number }) => {
    process.exitCode = await keep(nodes);
  });
program
  .command('build')
  .description('build the programs, fetch what the manifests are held to, and start nothing')
  .action(async () => {
    await buildPrograms(say);
    try {
      for (const tool of TOOL_NAMES) await buildTool(tool, say);
      await fetchPublished(say);
    } catch (error) {
      // Who brings the control plane's programs along may have no Go; the tests that need these say that they are skipped.
      if (!process.env.KUBEBUILDER_ASSETS) throw error;
      say(`the manifests are not held to what others publish: ${(error as Error).message}`);
    }
  });
program
  .command('run')
  .description('run a command with KUBECONFIG set, then stop')
  .argument('<command...>')
  .passThroughOptions()
  .action(async (command: string[]) => {
    process.exitCode = await run(program.opts<{ nodes: number }>().nodes, command);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`cluster: error: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
