import { pathToFileURL } from 'node:url';
import { LocalWorkspace, PulumiCommand } from '@pulumi/pulumi/automation/index.js';

/**
 * `pulumi up` and `pulumi preview` of the project in this folder, without the language host: the program runs here, and the engine is the same.
 *
 * Arguments: what to do, the stack, the program, the root of the CLI.
 */

const [what, stackName, program, root] = process.argv.slice(2) as ['up' | 'preview', string, string, string];
const stack = await LocalWorkspace.selectStack(
  {
    stackName,
    projectName: 'hanzo-k8s',
    program: async () => ({ ...(await import(pathToFileURL(program).href)) }),
  },
  { workDir: process.cwd(), pulumiCommand: await PulumiCommand.get({ root }) },
);
const onOutput = (text: string) => process.stdout.write(text);
try {
  if (what === 'up') await stack.up({ onOutput });
  else await stack.preview({ onOutput });
} catch {
  // The CLI has said why.
  process.exitCode = 1;
}
