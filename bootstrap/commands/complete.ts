import type { Command } from 'commander';
import { liveNames } from '../completion/live.ts';
import { SHELLS, type Shell, scriptOf } from '../completion/shells.ts';
import { type Candidate, wantedBy } from '../completion/words.ts';
import { UserError } from '../problem.ts';
import { print, type Terminal } from '../terminal/terminal.ts';

/** Writes what a shell needs to complete our command lines. */
export async function writeCompletion(terminal: Terminal, shell: string): Promise<number> {
  const known = SHELLS.find((each) => each === shell) satisfies Shell | undefined;
  if (!known)
    throw new UserError(`there is no completion for ${JSON.stringify(shell)}`, `use one of ${SHELLS.join(', ')}`);
  terminal.stdout.write(scriptOf(known));
  return 0;
}

/**
 * A shell puts a word into the command line as it is, and the next Enter runs it. Names are written by others, so those are not offered in which
 * a shell would see more than a word.
 */
const HARMLESS = /^[A-Za-z0-9_./][A-Za-z0-9_./@%+,-]*$/;

/** Tells a shell what may come next. Where KMS cannot be asked, nothing is offered, and nothing is said in the middle of a prompt. */
export async function complete(
  terminal: Terminal,
  environment: NodeJS.ProcessEnv,
  program: Command,
  words: readonly string[],
): Promise<number> {
  // zsh and fish have `--env=de` for one word, bash for three.
  const [, option = '', value] = /^(--[^=]+=)(.*)$/s.exec(words.at(-1) ?? '') ?? [];
  const asked = option === '' ? words : [...words.slice(0, -1), option.slice(0, -1), value ?? ''];
  const wanted = wantedBy(program, asked);
  if (wanted.kind === 'files') print(terminal, ':files');
  else if (wanted.kind === 'command') print(terminal, `:command ${wanted.at}`);
  else {
    const begun = asked.at(-1) ?? '';
    const prefix = begun === '=' ? '' : begun;
    const candidates: readonly Candidate[] =
      wanted.kind === 'words'
        ? wanted.candidates
        : (await liveNames(wanted.live, environment, wanted.given, prefix).catch(() => []))
            .filter((name) => HARMLESS.test(name))
            .map((word) => ({ word }));
    for (const { word, about } of candidates)
      if (word.startsWith(prefix)) print(terminal, `${option}${word}${about ? `\t${about}` : ''}`);
  }
  return 0;
}
