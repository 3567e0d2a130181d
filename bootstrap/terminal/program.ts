import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { exitCodeOf } from './failure.ts';
import { type Terminal, terminalOf } from './terminal.ts';

/** A command line with our manners: errors as `name: error: …`, and an exit code that never hides one. */
export function programOf(name: string, description: string) {
  const terminal: Terminal = terminalOf(name);
  const program = new Command(name)
    .description(description)
    .version(packageVersion())
    .exitOverride()
    .showHelpAfterError(`${name}: hint: see ${name} --help`)
    .configureOutput({ outputError: (text, write) => write(`${name}: ${text}`) });
  const run = async (command: () => Promise<number>, json = false): Promise<void> => {
    process.exitCode = await exitCodeOf(terminal, json, command);
  };
  return { terminal, program, run };
}

/** Of our package.json: above the sources, or two levels further up from what was compiled. */
function packageVersion(): string {
  const file = new URL(
    import.meta.url.endsWith('.js') ? '../../../../package.json' : '../../package.json',
    import.meta.url,
  );
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
