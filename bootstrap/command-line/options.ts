import type { Command } from 'commander';
import type { programOf } from '../terminal/program.ts';

/** What the commands of a program are added to, and run with. */
export type CommandLine = ReturnType<typeof programOf>;

/** Options that name a folder. */
export function inFolder(command: Command): Command {
  return toServer(
    command
      .option('-e, --env <slug>', 'the environment; production means prod')
      .option('-p, --project <slug>', 'the project; .kms.yaml says it otherwise')
      .option('--path <folder>', 'the folder (default: that of .kms.yaml, or "/")')
      .option('--org <slug>', 'the organization, where several have a project of this name'),
  );
}

/** The option that every command has which asks KMS. */
export function toServer(command: Command): Command {
  return command.option('--state <folder>', 'folder of the local trial', '.kms');
}

export function withJson(command: Command): Command {
  return command.option('--json', 'answer in JSON');
}
