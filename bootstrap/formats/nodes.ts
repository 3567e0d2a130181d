import type { Document, Node, Scalar, YAMLMap } from 'yaml';
import { UserError } from '../problem.ts';

/** YAML as it is written: `0123`, `1.10` and `yes` stay what they are, which numbers and booleans would not. */
export async function documentsOf(text: string, file: string): Promise<Document[]> {
  const { parseAllDocuments } = await import('yaml');
  const documents = parseAllDocuments(text, { merge: true }) as Document[];
  const [error] = documents.flatMap((document) => document.errors);
  if (!error) return documents;
  const { line = 0 } = error.linePos?.[0] ?? {};
  // The parser's own words show the line, and a value is on it.
  const what = error.code === 'DUPLICATE_KEY' ? 'a name is there twice' : `it is no YAML (${error.code})`;
  throw new UserError(`${file}:${line}: ${what}; nothing was changed`);
}

/** A node by its path, through aliases. */
export async function nodeAt(document: Document, ...path: readonly string[]): Promise<Node | undefined> {
  const { isMap } = await import('yaml');
  let node = await resolved(document, document.contents);
  for (const name of path) {
    if (!isMap(node)) return undefined;
    node = (await pairsOf(document, node)).get(name);
  }
  return node;
}

/** Read once: a map that merges another twice, and that one a third, would otherwise be read as often as there are ways through them. */
const known = new WeakMap<YAMLMap, Map<string, Node | undefined>>();

/**
 * The pairs of a map, those that it merges (`<<`) among them; its own win.
 *
 * @param within the maps that merge this one
 */
export async function pairsOf(
  document: Document,
  map: YAMLMap,
  within: readonly YAMLMap[] = [],
): Promise<Map<string, Node | undefined>> {
  const { isMap, isScalar, isSeq } = await import('yaml');
  const before = known.get(map);
  if (before) return before;
  if (within.includes(map)) throw new UserError('a map merges itself; nothing was changed');
  const pairs = new Map<string, Node | undefined>();
  const own = new Map<string, Node | undefined>();
  for (const { key, value } of map.items) {
    const name = isScalar(key) ? textOf(key) : String(key);
    const node = await resolved(document, value as Node | null);
    if (name !== '<<') own.set(name, node);
    else
      for (const merged of isSeq(node) ? node.items.toReversed() : [node]) {
        const from = await resolved(document, merged as Node | null);
        if (isMap(from))
          for (const [each, under] of await pairsOf(document, from, [...within, map])) pairs.set(each, under);
      }
  }
  const all = new Map([...pairs, ...own]);
  known.set(map, all);
  return all;
}

async function resolved(document: Document, node: Node | null | undefined): Promise<Node | undefined> {
  const { isAlias } = await import('yaml');
  return isAlias(node) ? node.resolve(document) : (node ?? undefined);
}

/** A scalar as it is written; what is quoted, as it is meant. */
export function textOf(scalar: Scalar): string {
  if (typeof scalar.value === 'string') return scalar.value;
  return scalar.source ?? String(scalar.value ?? '');
}
