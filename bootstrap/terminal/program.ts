import { Command, CommanderError } from 'commander';
import { VERSION } from '../../contracts/version.ts';
import { UserError } from '../problem.ts';
import { type Terminal, terminalOf } from './terminal.ts';

/** A command line with our manners: errors as `name: error: …`, and an exit code that never hides one. */
export function programOf(name: string, description: string) {
  const terminal: Terminal = terminalOf(name);
  const program = new Command(name)
    .description(description)
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError(`${name}: hint: see ${name} --help`)
    .configureOutput({ outputError: (text, write) => write(`${name}: ${text}`) });
  const run = async (command: () => Promise<number>, json = false, failed = 1): Promise<void> => {
    process.exitCode = await exitCodeOf(terminal, json, command, failed);
  };
  return { terminal, program, run };
}

/** Shows people how a command is used, below its options. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
}

/**
 * Runs a command line to its exit code: what the command returns, `failed` on any error that does not say otherwise, 0 for help and version.
 */
async function exitCodeOf(terminal: Terminal, json: boolean, run: () => Promise<number>, failed = 1): Promise<number> {
  try {
    return await run();
  } catch (error) {
    // Commander has printed these already.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    // Loaded here: it knows the errors of every part, and kms run has seldom any.
    const { showFailure } = await import('./failure.ts');
    showFailure(terminal, error, json);
    return (error instanceof UserError ? error.exitCode : undefined) ?? failed;
  }
}
