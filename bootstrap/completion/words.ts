import type { Command, Option } from 'commander';
import { FORMATS } from '../formats/export.ts';
import type { Live } from './live.ts';

/** A word that may come next, and what it means. */
export interface Candidate {
  readonly word: string;
  readonly about?: string | undefined;
}

/** What may come where the cursor is. */
export type Wanted =
  | { readonly kind: 'words'; readonly candidates: readonly Candidate[] }
  | { readonly kind: 'live'; readonly live: Live; readonly given: Readonly<Record<string, string>> }
  | { readonly kind: 'files' }
  /** Another program's command line begins with this word, counted from 0. */
  | { readonly kind: 'command'; readonly at: number };

type Source = Live | 'files' | readonly string[];
const OPTIONS: Readonly<Record<string, Source>> = {
  project: 'project',
  env: 'environment',
  path: 'folder',
  org: 'organization',
  key: 'key',
  format: FORMATS,
  outcome: ['allowed', 'refused'],
  action: ['read', 'create', 'update', 'delete', 'login'],
  store: ['keychain', 'file'],
  out: 'files',
  state: 'files',
  kubeconfig: 'files',
};
const ARGUMENTS: Readonly<Record<string, Source>> = {
  name: 'key',
  one: 'environment',
  other: 'environment',
  file: 'files',
  shell: ['bash', 'zsh', 'fish'],
};

/**
 * What may come next on a command line, by the very commands and options that the program has.
 *
 * @param words behind the program's name, up to the cursor; the last one is what is begun there, empty when nothing is
 */
export function wantedBy(program: Command, words: readonly string[]): Wanted {
  const before = joined(words);
  const begun = before.pop() ?? '';
  let command = program;
  let arguments_ = 0;
  const given: Record<string, string> = {};
  for (let index = 0; index < before.length; index++) {
    const word = before[index]!;
    if (word === '--') return takesCommand(command) ? { kind: 'command', at: positionOf(words, index) + 1 } : nothing;
    if (word.startsWith('-')) {
      const [name, ...value] = word.split('=');
      const option = visibleOptions(command).find(({ long, short }) => name === long || name === short);
      if (!option || !takesValue(option)) continue;
      if (value.length > 0) given[option.attributeName()] = value.join('=');
      else if (index + 1 === before.length) return from(OPTIONS[option.attributeName()], given);
      else given[option.attributeName()] = before[++index]!;
      continue;
    }
    const inner = arguments_ === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (inner) {
      command = inner;
      continue;
    }
    if (takesCommand(command)) return { kind: 'command', at: positionOf(words, index) };
    const name = command.registeredArguments[arguments_++]?.name();
    if (name !== undefined) given[name] ??= word;
  }
  if (begun.startsWith('-')) return { kind: 'words', candidates: optionsOf(command) };
  if (takesCommand(command)) return { kind: 'command', at: words.length };
  const argument = command.registeredArguments[arguments_]?.name();
  // What is compared is versions then.
  if (given.key !== undefined && argument !== 'name') return nothing;
  if (argument !== undefined) return from(ARGUMENTS[argument], given);
  const commands = arguments_ > 0 ? [] : command.createHelp().visibleCommands(command);
  return {
    kind: 'words',
    candidates: commands.map((each) => ({ word: each.name(), about: each.description() })),
  };
}

const nothing: Wanted = { kind: 'words', candidates: [] };

function from(source: Source | undefined, given: Readonly<Record<string, string>>): Wanted {
  if (source === undefined) return nothing;
  if (source === 'files') return { kind: 'files' };
  if (typeof source === 'string') return { kind: 'live', live: source, given };
  return { kind: 'words', candidates: source.map((word) => ({ word })) };
}

const visibleOptions = (command: Command): readonly Option[] => command.createHelp().visibleOptions(command);
const takesValue = (option: Option) => option.required || option.optional;
const takesCommand = (command: Command) => command.registeredArguments[0]?.name() === 'command';
const optionsOf = (command: Command): Candidate[] =>
  visibleOptions(command).map(({ long, short, description }) => ({ word: long ?? short ?? '', about: description }));

/** Bash takes `--env=dev` for three words; here it is one, or the option alone where the value is what is begun. */
function joined(words: readonly string[]): string[] {
  const whole: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const isLast = index >= words.length - 2;
    if (words[index] !== '=' || whole.length === 0) whole.push(words[index]!);
    else if (!isLast) whole.push(`${whole.pop()}=${words[++index]}`);
    else if (index === words.length - 1) whole.push('');
  }
  return whole;
}

/** Where a word of the joined list is in the list that the shell gave; 0 is the program. */
function positionOf(words: readonly string[], index: number): number {
  let at = 0;
  for (let seen = 0; seen < index; seen++) at += words[at + 1] === '=' ? 3 : 1;
  return at + 1;
}
