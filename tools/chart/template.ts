import { stringify } from 'yaml';

/**
 * Makes a Helm template of an object that a construct rendered: what does not depend on values stays as the construct has it, and
 * so has one source.
 */

/** What becomes of one place of the object. */
export interface Edit {
  /** Expression that gives a scalar, such as `.Values.replicas`. */
  readonly value?: string;
  /** Expression that gives YAML of several lines, such as `toYaml .Values.resources`. */
  readonly block?: string;
  /** Expression under which the place is there at all. */
  readonly when?: string;
  /** Expression under which the scalar is what it is, and what it is otherwise. */
  readonly choice?: { readonly when: string; readonly other: unknown };
  /** Expression that gives YAML of more entries, which come after those that are there. */
  readonly append?: string;
}

/** By path, such as `spec template spec containers 0 image`. */
export type Edits = Readonly<Record<string, Edit>>;

/** Texts that stand for expressions wherever they occur, also within others: a namespace in an address. */
export type Marks = Readonly<Record<string, string>>;

type Node = Record<string, unknown> | unknown[];

/** @throws Error when an edit names a place that the object does not have, as after a change of the construct */
export function template(object: object, edits: Edits = {}): string {
  const lines = new Lines();
  const root = structuredClone(object) as Node;
  // From the end, and what is inside first: what is put into a list moves what comes after.
  for (const [path, edit] of inOrder(edits).reverse()) lines.edit(root, path.split(' '), edit);
  const text = stringify(root, YAML);
  return lines.fill(text.replaceAll('{{', ESCAPED));
}

const inOrder = (edits: Edits) =>
  Object.entries(edits).toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }));

/** One condition in place of the same one twice in a row. */
export function joined(text: string): string {
  const twice = /^( *)\{\{- if (.+) \}\}\n((?:(?!\1\{\{- (?:end|else)).*\n)*)\1\{\{- end \}\}\n\1\{\{- if \2 \}\}\n/m;
  const once = text.replace(twice, '$1{{- if $2 }}\n$3');
  return once === text ? text : joined(once);
}

/** Helm reads YAML 1.1, where `off` is a boolean. */
const YAML = { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false } as const;
const scalar = (value: unknown) => stringify(value, YAML).trimEnd();

const ESCAPED = '{{ "{{" }}';
/** A line that is another one in the end. */
const MARK = /^( *)(- )?(?:(\S+): )?__(\d+)__(?:: null)?$/gm;

class Lines {
  readonly #texts: ((indent: string, dash: string, key: string | undefined) => string)[] = [];

  /** Puts marks into the object where its text is to be another. */
  edit(root: Node, path: readonly string[], { value, block, when, choice, append }: Edit): void {
    const key = path.at(-1)!;
    const parent = path.slice(0, -1).reduce<unknown>((node, step) => child(node, step), root) as Node;
    const here = child(parent, key);
    if (here === undefined) throw new Error(`there is no ${path.join(' ')}`);
    const more = (expression: string) =>
      this.#mark(
        (indent) =>
          `${indent}{{- with ${expression} }}\n${indent}{{- . | nindent ${indent.length} }}\n${indent}{{- end }}`,
      );
    if (append !== undefined) {
      if (Array.isArray(here)) here.push(more(append));
      else (here as Record<string, unknown>)[more(append)] = null;
    }
    if (choice !== undefined)
      set(
        parent,
        key,
        this.#mark(
          (indent, dash, name) =>
            `${indent}${dash}${name === undefined ? '' : `${name}: `}{{ if ${choice.when} }}${scalar(here)}{{ else }}${scalar(choice.other)}{{ end }}`,
        ),
      );
    const text = value ?? block;
    if (text !== undefined)
      set(
        parent,
        key,
        this.#mark((indent, dash, name) => {
          const start = `${indent}${dash}${name === undefined ? '' : `${name}:`}`;
          if (value !== undefined) return `${start}${name === undefined ? '' : ' '}{{ ${text} }}`;
          return `${start}\n${indent}  {{- ${text} | nindent ${indent.length + dash.length + 2} }}`;
        }),
      );
    if (when !== undefined) this.#wrap(parent, key, when);
  }

  fill(text: string): string {
    return text.replaceAll(
      MARK,
      (_, indent: string, dash: string | undefined, key: string | undefined, number: string) =>
        this.#texts[Number(number)]!(indent, dash ?? '', key),
    );
  }

  #mark(text: (indent: string, dash: string, key: string | undefined) => string): string {
    return `__${this.#texts.push(text) - 1}__`;
  }

  #wrap(parent: Node, key: string, condition: string): void {
    const [open, close] = [
      this.#mark((indent) => `${indent}{{- if ${condition} }}`),
      this.#mark((indent) => `${indent}{{- end }}`),
    ];
    if (Array.isArray(parent)) {
      parent.splice(Number(key), 1, open, parent[Number(key)], close);
      return;
    }
    const [first, ...rest] = Object.entries(parent);
    // As the first of a list's entry it would stand behind the dash.
    const entries = first![0] === key ? [...rest, first!] : [first!, ...rest];
    for (const [name] of entries) delete parent[name];
    for (const [name, value] of entries)
      Object.assign(parent, name === key ? { [open]: null, [name]: value, [close]: null } : { [name]: value });
  }
}

function child(node: unknown, step: string): unknown {
  return typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[step] : undefined;
}

function set(parent: Node, key: string, value: unknown): void {
  (parent as Record<string, unknown>)[key] = value;
}
