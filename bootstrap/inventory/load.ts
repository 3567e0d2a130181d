import { open } from 'node:fs/promises';
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import type { Inventory } from '../../contracts/inventory.ts';
import { InventoryRefused, type Problem } from './problem.ts';
import { checkReferences } from './references.ts';
import { checkShape } from './shape.ts';

/** Largest inventory that is read, in bytes: some 50,000 secrets. More is a mistake, such as a dump in its place. */
const MAX_INVENTORY_BYTES = 4 * 1024 * 1024;

/** Reads an inventory file. Throws InventoryRefused with every problem at once, each with its line and column. */
export async function loadInventory(file: string): Promise<Inventory> {
  return parseInventory(await readBounded(file), file);
}

/** The inventory in a text; `file` is what the messages call it. */
export function parseInventory(source: Uint8Array | string, file: string): Inventory {
  const text = typeof source === 'string' ? source : decode(source, file);
  const lines = new LineCounter();
  const place = (offset: number, message: string) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}: ${message}`;
  };
  const nul = text.indexOf('\u0000');
  if (nul !== -1) throw new InventoryRefused([`${file}: holds a NUL character; it is not a YAML text`]);

  const document = parse(text, lines, file);
  const syntax = [...document.errors, ...document.warnings];
  if (syntax.some(({ message }) => OVERFLOW.test(message))) throw new InventoryRefused([tooDeep(file)]);
  if (syntax.length > 0) throw new InventoryRefused(syntax.map((error) => place(error.pos[0], explainSyntax(error))));
  if (document.contents === null) throw new InventoryRefused([`${file}:1:1: the file is empty`]);

  const traps = findTraps(document);
  if (traps.length > 0) throw new InventoryRefused(traps.map(({ offset, message }) => place(offset, message)));

  const plain: unknown = document.toJS();
  const shape = checkShape(plain);
  const problems = ['problems' in shape ? shape.problems : [], checkReferences(plain)].flat();
  if (problems.length > 0 || !('inventory' in shape)) {
    const placed = problems.map((problem) => ({ offset: offsetOf(document, problem), message: problem.message }));
    placed.sort((a, b) => a.offset - b.offset);
    throw new InventoryRefused([...new Set(placed.map(({ offset, message }) => place(offset, message)))]);
  }
  return shape.inventory;
}

async function readBounded(file: string): Promise<Uint8Array> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InventoryRefused([`${file}: cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`]);
  }
  try {
    const info = await handle.stat();
    if (info.isDirectory()) throw new InventoryRefused([`${file}: is a folder; name the inventory file in it`]);
    if (info.size > MAX_INVENTORY_BYTES) throw new InventoryRefused([tooLarge(file)]);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

const tooLarge = (file: string) => `${file}: is larger than 4 MiB; that is not an inventory`;

function decode(bytes: Uint8Array, file: string): string {
  if (bytes.length > MAX_INVENTORY_BYTES) throw new InventoryRefused([tooLarge(file)]);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new InventoryRefused([`${file}: is not valid UTF-8`]);
  }
}

function parse(text: string, lines: LineCounter, file: string): Document.Parsed {
  try {
    // prettyErrors would quote the line, and a line can hold a value that somebody wrongly put there.
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true, version: '1.2' });
  } catch (error) {
    if (error instanceof RangeError) throw new InventoryRefused([tooDeep(file)]);
    throw error;
  }
}

// The parser catches its own overflow and goes on, an error for each level.
const OVERFLOW = /call stack|stack overflow/i;
const tooDeep = (file: string) => `${file}: is nested too deeply to be an inventory`;

function explainSyntax({ code, message }: { code: string; message: string }): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document starts here; an inventory is one document';
  if (code === 'DUPLICATE_KEY') return 'this key is there twice';
  // Some messages end with the text that was found, and that can be a value.
  return message.replace(/ in YAML stream: .*/s, '').replace(/: ".*"$/s, '');
}

/** What YAML allows and a file that people review must not: a reader should see what is there, where it is. */
function findTraps(document: Document.Parsed): { offset: number; message: string }[] {
  const traps: { offset: number; message: string }[] = [];
  const add = (node: unknown, message: string) =>
    traps.push({ offset: isNode(node) ? (node.range?.[0] ?? 0) : 0, message });
  visit(document, (_key, node) => {
    if (isAlias(node)) add(node, 'an alias (*) hides what it stands for; write it out');
    else if (isNode(node) && 'anchor' in node && node.anchor)
      add(node, 'an anchor (&) has no use here; write things out');
    else if (isNode(node) && node.tag !== undefined)
      add(node, 'a tag (!) has no use here; write plain text, lists and maps');
    if (!isPair(node)) return;
    if (!isScalar(node.key) || node.key.value === null) add(node.key, 'a key is a plain word');
    else if (node.key.value === '__proto__') add(node.key, 'a key cannot be called "__proto__"');
  });
  return traps;
}

/** Where in the text a problem is: its node, its key, or the nearest thing around it that exists. */
function offsetOf(document: Document.Parsed, problem: Problem): number {
  const path = [...problem.path];
  if (problem.atKey || path.length > 0) {
    const parent = document.getIn(path.slice(0, -1), true);
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)));
      const value = pair?.value as Node | null | undefined;
      const wanted = problem.atKey || !value?.range ? (pair?.key as Node | undefined) : value;
      if (wanted?.range) return wanted.range[0];
    }
  }
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
