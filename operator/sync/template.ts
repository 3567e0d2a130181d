import type { Entries } from './keys.ts';
import { SyncProblem } from './problem.ts';

/**
 * Templates of values in the words of Go's text/template, as users of InfisicalSecret write them: `{{ .HOST.Value }}`,
 * `{{ (index . "my-key").Value | b64enc }}`. Fields, `index`, text and pipelines of the functions below; no loops and no conditions.
 */

type Argument = string | number;
type Function = (value: string, ...args: Argument[]) => string;

const FUNCTIONS: Readonly<Record<string, { readonly args: number; readonly run: Function }>> = {
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
  replace: { args: 2, run: (value, from, to) => value.replaceAll(String(from), String(to)) },
  indent: { args: 1, run: (value, width) => value.replace(/^/gm, ' '.repeat(spaces(width))) },
  nindent: { args: 1, run: (value, width) => `\n${value.replace(/^/gm, ' '.repeat(spaces(width)))}` },
};

const ACTION = /(\s*)\{\{(-?)([\s\S]*?)(-?)\}\}(\s*)/g;
const TOKEN = /\s*(?:(\|)|(\()|(\))|("(?:[^"\\]|\\.)*")|(`[^`]*`)|(\d{1,4})|(\.[A-Za-z_][\w.]*|\.)|([A-Za-z]\w*))/y;

/**
 * Puts values into a template.
 *
 * @param name of the key that it makes, for messages
 * @throws SyncProblem TemplateInvalid, with the place and never with a value; KeysMissing when KMS lacks a key that it names
 */
export function render(name: string, template: string, entries: Pick<Entries, 'get'>): string {
  return template.replace(
    ACTION,
    (_all, before: string, trimBefore: string, action: string, trimAfter: string, after: string) => {
      const value = new Action(name, action, entries).evaluate();
      return `${trimBefore ? '' : before}${value}${trimAfter ? '' : after}`;
    },
  );
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
  readonly #tokens: string[] = [];

  constructor(name: string, text: string, entries: Pick<Entries, 'get'>) {
    this.#name = name;
    this.#text = text.trim();
    this.#entries = entries;
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
    while (this.#tokens.length > 0) {
      if (this.#tokens.shift() !== '|') throw this.#problem('has more than one value: put "|" before a function');
      value = this.#call(value);
    }
    return value;
  }

  #operand(): string {
    const token = this.#tokens.shift();
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
    const [word, dot, key = '', close, field = ''] = this.#tokens.splice(0, 5);
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
    const word = this.#tokens.shift();
    const found = word !== undefined && Object.hasOwn(FUNCTIONS, word) ? FUNCTIONS[word] : undefined;
    if (!found)
      throw this.#problem(`has no function ${word ?? 'after "|"'}; there are ${Object.keys(FUNCTIONS).join(', ')}`);
    const args = this.#tokens.splice(0, found.args).map((token) => this.#argument(token));
    if (args.length < found.args) throw this.#problem(`gives ${word} too little: it takes ${found.args}`);
    return found.run(value, ...args);
  }

  #argument(token: string): Argument {
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
