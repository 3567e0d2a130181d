import { UserError } from '../problem.ts';
import type { Terminal } from './terminal.ts';

/** Whether somebody at the terminal says yes. @throws UserError where there is nobody to ask */
export async function confirmed(terminal: Terminal, message: string): Promise<boolean> {
  if (!terminal.stdin.isTTY || !terminal.stderr.isTTY)
    throw new UserError('there is no terminal to ask on, so nothing was changed', 'read the plan, then add --yes');
  const prompts = await import('@clack/prompts');
  return (await prompts.confirm({ message, initialValue: false, output: terminal.stderr })) === true;
}
