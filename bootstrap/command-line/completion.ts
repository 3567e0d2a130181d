import { withExamples } from '../terminal/program.ts';
import type { CommandLine } from './options.ts';

/** What shells offer while a command line is typed. */
export function addCompletion({ terminal, program, run }: CommandLine): void {
  withExamples(
    program
      .command('completion <shell>')
      .description('write what bash, zsh or fish needs to complete command lines of kms'),
    'echo "source <(kms completion bash)" >> ~/.bashrc',
    'kms completion zsh > ~/.zsh/completions/_kms',
    'kms completion fish > ~/.config/fish/completions/kms.fish',
  ).action((shell: string) =>
    run(async () => (await import('../commands/complete.ts')).writeCompletion(terminal, shell)),
  );

  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .passThroughOptions()
    .action((words: string[]) =>
      run(async () => (await import('../commands/complete.ts')).complete(terminal, process.env, program, words)),
    );
}
