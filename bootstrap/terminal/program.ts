import { Command } from 'commander';
import { VERSION } from '../../contracts/version.ts';
import { exitCodeOf } from './failure.ts';
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
