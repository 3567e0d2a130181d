import { stringify } from 'yaml';

/** What the chart's schema tells people: values.yaml with a comment for each value, and the table of the documentation. */

/** A node of a JSON Schema, as zod writes it. */
export interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly [keyword: string]: unknown;
}

/** One value, or a group of them. */
interface Entry {
  readonly path: readonly string[];
  readonly node: SchemaNode;
  /** What it is when nobody says anything; undefined where it is not there. */
  readonly value: unknown;
}

const WIDTH = 120;

/** @param defaults what the schema makes of an empty document */
export function valuesYaml(schema: SchemaNode, defaults: Readonly<Record<string, unknown>>): string {
  return Object.entries(schema.properties ?? {})
    .map(([name, node]) => written({ path: [name], node, value: defaults[name] }, ''))
    .join('\n\n');
}

/** Every value with its default and what it is, by path. */
export function valuesTable(schema: SchemaNode, defaults: Readonly<Record<string, unknown>>): string {
  const rows = leaves(schema, defaults, []).map(({ path, node, value }) => {
    const shown = value === undefined ? '' : `\`${JSON.stringify(value).replaceAll('|', '\\|')}\``;
    return `| \`${path.join('.')}\` | ${shown} | ${(node.description ?? '').replaceAll('|', '\\|')} |`;
  });
  return ['| Value | Default | What it is |', '|---|---|---|', ...rows].join('\n');
}

function leaves(schema: SchemaNode, defaults: unknown, path: readonly string[]): Entry[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, node]) => {
    const value = child(defaults, name) ?? node.default;
    const here = { path: [...path, name], node, value };
    if (isGroup(here)) return leaves(node, value, here.path);
    const items = node.items as SchemaNode | undefined;
    return items?.properties ? [here, ...leaves(items, undefined, [...path, `${name}[]`])] : [here];
  });
}

/** Written value by value. */
const isGroup = ({ node }: Entry) => node.properties !== undefined;

/** What nobody has said is a comment; so is a map of free keys, to which Helm would add what somebody says. */
const isComment = ({ node, value }: Entry): boolean =>
  value === undefined || (Boolean(node.additionalProperties) && Object.keys(value as object).length > 0);

/** @param isInside of a comment, in which what is no value yet is written like one */
function written(entry: Entry, indent: string, isInside = false): string {
  const { path, node, value } = entry;
  const name = path.at(-1)!;
  const comment = wrapped(node.description ?? '', WIDTH - indent.length - 2).map((line) => `${indent}# ${line}`);
  const isHidden = isComment(entry) && !isInside;
  const prefix = isHidden ? `${indent}# ` : indent;
  if (isGroup(entry)) {
    const children = Object.entries(node.properties!).map(([key, one]) =>
      written({ path: [...path, key], node: one, value: child(value, key) }, `${indent}  `, isInside || isHidden),
    );
    const below = isHidden ? children.map((text) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), prefix)) : children;
    return [...comment, `${prefix}${name}:`, ...below].join('\n');
  }
  const text = stringify(
    { [name]: value ?? node.examples?.[0] ?? node.default ?? null },
    { lineWidth: 0, nullStr: '' },
  );
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => `${prefix}${line}`.trimEnd());
  return [...comment, ...lines, ...entries(node, indent)].join('\n');
}

/** Of a list of maps: what an entry may say, in a comment. */
function entries({ items }: SchemaNode, indent: string): string[] {
  const { properties } = (items ?? {}) as SchemaNode;
  if (!properties) return [];
  return Object.entries(properties).map(([name, node], index) => {
    const text = written({ path: [name], node, value: undefined }, '  ', true);
    return `${indent}# ${(index === 0 ? text.replace(/^( *) {2}(?=\S+:)/m, '$1- ') : text).replaceAll('\n', `\n${indent}# `)}`;
  });
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function child(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
