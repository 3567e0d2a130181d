import type { Entries } from './keys.ts';
import { SyncProblem } from './problem.ts';

/**
 * Templates of values in the words of Go's text/template, as users of InfisicalSecret write them: `{{ .HOST.Value }}`,
 * `{{ (index . "my-key").Value | b64enc }}`. Fields, `index`, text and pipelines of the functions below; no loops and no conditions.
 */

type Argument = string | number;
type Function = (value: string, ...args: Argument[]) => string;

interface Known {
  readonly args: number;
  readonly run: Function;
  /** How many characters it makes, where that can be many times what it is given. */
  readonly makes?: (value: string, ...args: Argument[]) => number;
}

const FUNCTIONS: Readonly<Record<string, Known>> = {
  b64enc: { args: 0, run: (value) => Buffer.from(value).toString('base64') },
  b64dec: { args: 0, run: (value) => Buffer.from(value, 'base64').toString('utf8') },
  encodeBase64: { args: 0, run: (value) => Buffer.from(value).toString('base64') },
  decodeBase64ToBytes: { args: 0, run: (value) => Buffer.from(value, 'base64').toString('utf8') },
  upper: { args: 0, run: (value) => value.toUpperCase() },
  lower: { args: 0, run: (value) => value.toLowerCase() },
  trim: { args: 0, run: (value) => value.trim() },
  quote: { args: 0, run: (value) => JSON.stringify(value) },
  squote: { args: 0, run: (value) => `'${value}'` },
  toJson: { args: 0, run: (value) => JSON.stringify(value) },
  urlquery: { args: 0, run: (value) => encodeURIComponent(value) },
  default: { args: 1, run: (value, other) => (value === '' ? String(other) : value) },
  replace: {
    args: 2,
    run: (value, from, to) => value.replaceAll(String(from), () => String(to)),
    makes: (value, from, to) =>
      value.length + (value.split(String(from)).length + 1) * Math.max(String(to).length - String(from).length, 0),
  },
  indent: { args: 1, run: (value, width) => value.replace(/^/gm, ' '.repeat(spaces(width))), makes: indented },
  nindent: {
    args: 1,
    run: (value, width) => `\n${value.replace(/^/gm, ' '.repeat(spaces(width)))}`,
    makes: indented,
  },
};

const TOKEN = /\s*(?:(\|)|(\()|(\))|("(?:[^"\\]|\\.)*")|(`[^`]*`)|(\d{1,4})|(\.[A-Za-z_][\w.]*|\.)|([A-Za-z]\w*))/y;

/** Kubernetes' own bound of what an object holds, in bytes. Nothing that is made on the way to it is longer, in characters. */
export const MAX_BYTES = 1024 * 1024;
/** What the functions of one object's templates may go through, in characters: several times what it can hold. */
const MOST_WORK = 8 * MAX_BYTES;

/**
 * What the templates of one object have cost. They are written by whoever writes KMSSecrets, all others wait meanwhile, and a
 * line of them can ask for more than there is memory.
 */
export class Work {
  #done = 0;

  /** @throws SyncProblem TooLarge */
  spend(name: string, characters: number): void {
    this.#done += characters;
    if (characters > MAX_BYTES || this.#done > MOST_WORK)
      throw new SyncProblem(
        'TooLarge',
        `the template of ${name} makes more than an object of Kubernetes holds, ${MAX_BYTES} bytes: let it do less`,
      );
  }
}

/**
 * Puts values into a template.
 *
 * @param name of the key that it makes, for messages
 * @param work of all templates of one object
 * @throws SyncProblem TemplateInvalid, with the place and never with a value; KeysMissing when KMS lacks a key that it names;
 *   TooLarge when it makes too much
 */
export function render(name: string, template: string, entries: Pick<Entries, 'get'>, work = new Work()): string {
  let made = '';
  let end = 0;
  // By hand: a regular expression goes back and forth over blanks and braces, and a template may be a million of them.
  for (let begin = template.indexOf('{{'); begin >= 0; begin = template.indexOf('{{', end)) {
    const close = template.indexOf('}}', begin + 2);
    if (close < 0) break;
    const trimsBefore = template[begin + 2] === '-';
    const trimsAfter = close > begin + 3 && template[close - 1] === '-';
    const before = template.slice(end, begin);
    const action = template.slice(begin + (trimsBefore ? 3 : 2), close - (trimsAfter ? 1 : 0));
    made += (trimsBefore ? before.trimEnd() : before) + new Action(name, action, entries, work).evaluate();
    end = close + 2;
    if (trimsAfter) end += template.slice(end).length - template.slice(end).trimStart().length;
    if (made.length > MAX_BYTES) work.spend(name, made.length);
  }
  return made + template.slice(end);
}

/** The keys of KMS that a template names, in its order. @throws SyncProblem TemplateInvalid */
export function namesIn(name: string, template: string): readonly string[] {
  const names = new Set<string>();
  const noted = {
    get(key: string) {
      names.add(key);
      return { value: '', path: '' };
    },
  };
  render(name, template, noted);
  return [...names];
}

/** One `{{ … }}`. */
class Action {
  readonly #name: string;
  readonly #text: string;
  readonly #entries: Pick<Entries, 'get'>;
  readonly #work: Work;
  readonly #tokens: string[] = [];
  #next = 0;

  constructor(name: string, text: string, entries: Pick<Entries, 'get'>, work: Work) {
    this.#name = name;
    this.#text = text.trim();
    this.#entries = entries;
    this.#work = work;
    TOKEN.lastIndex = 0;
    let end = 0;
    while (end < this.#text.length) {
      const found = TOKEN.exec(this.#text);
      if (!found) throw this.#problem(`cannot be read from "${this.#text.slice(end, end + 20)}" on`);
      end = TOKEN.lastIndex;
      this.#tokens.push(found[0].trim());
    }
  }

  evaluate(): string {
    let value = this.#operand();
    while (this.#next < this.#tokens.length) {
      if (this.#take() !== '|') throw this.#problem('has more than one value: put "|" before a function');
      value = this.#call(value);
    }
    return value;
  }

  #take(): string | undefined {
    return this.#tokens[this.#next++];
  }

  #operand(): string {
    const token = this.#take();
    if (token === undefined) throw this.#problem('is empty');
    if (token.startsWith('"') || token.startsWith('`')) return this.#literal(token);
    if (token === '(') return this.#indexed();
    if (token.startsWith('.') && token.length > 1) {
      const [key, field, ...rest] = token.slice(1).split('.');
      if (rest.length === 0) return this.#field(key!, field);
    }
    throw this.#problem(`does not begin with a key: write .KEY.Value, or (index . "KEY").Value`);
  }

  /** `(index . "KEY").Value`, for keys that Go's fields cannot spell. */
  #indexed(): string {
    const [word, dot, key = '', close, field = ''] = Array.from({ length: 5 }, () => this.#take());
    if (word !== 'index' || dot !== '.' || !key.startsWith('"') || close !== ')' || !field.startsWith('.'))
      throw this.#problem('has a parenthesis that is not (index . "KEY").Value');
    return this.#field(this.#literal(key), field.slice(1));
  }

  #field(key: string, field: string | undefined): string {
    const entry = this.#entries.get(key);
    if (!entry)
      throw new SyncProblem('KeysMissing', `the template of ${this.#name} names ${key}, which KMS does not have`);
    if (field === 'Value') return entry.value;
    if (field === 'SecretPath') return entry.path;
    throw this.#problem(`asks for .${key}${field ? `.${field}` : ''}: a key has .Value and .SecretPath`);
  }

  #call(value: string): string {
    const word = this.#take();
    const found = word !== undefined && Object.hasOwn(FUNCTIONS, word) ? FUNCTIONS[word] : undefined;
    if (!found)
      throw this.#problem(`has no function ${word ?? 'after "|"'}; there are ${Object.keys(FUNCTIONS).join(', ')}`);
    const args = Array.from({ length: found.args }, () => this.#take()).map((token) => this.#argument(word, token));
    this.#work.spend(this.#name, Math.max(value.length, found.makes?.(value, ...args) ?? 0));
    return found.run(value, ...args);
  }

  #argument(word: string | undefined, token: string | undefined): Argument {
    if (token === undefined) throw this.#problem(`gives ${word} too little: it takes ${FUNCTIONS[word!]!.args}`);
    if (/^\d+$/.test(token)) return Number(token);
    if (token.startsWith('"') || token.startsWith('`')) return this.#literal(token);
    throw this.#problem('gives a function something else than text in quotes, or a number');
  }

  #literal(token: string): string {
    if (token.startsWith('`')) return token.slice(1, -1);
    try {
      return JSON.parse(token) as string;
    } catch {
      throw this.#problem('has text with an escape that is not one of JSON');
    }
  }

  #problem(what: string): SyncProblem {
    return new SyncProblem(
      'TemplateInvalid',
      `the template of ${this.#name}: {{ ${this.#text.slice(0, 100)} }} ${what}`,
    );
  }
}

function spaces(width: Argument | undefined): number {
  return typeof width === 'number' ? Math.min(width, 200) : 0;
}

function indented(value: string, width: Argument | undefined): number {
  return value.length + value.split(/[\n\r\u2028\u2029]/).length * spaces(width);
}
