import { UserError } from '../problem.ts';
import { documentsOf, pairsOf, textOf } from './nodes.ts';
import type { Gathered } from './source.ts';

/** One map of names and values, in YAML; what `sops decrypt` prints is that. */
export async function fromYaml(text: string, found: Gathered, file: string): Promise<void> {
  const { isMap, isScalar } = await import('yaml');
  for (const document of await documentsOf(text, file)) {
    if (!isMap(document.contents)) throw new UserError(`${file} is no map of names and values`);
    for (const [name, node] of await pairsOf(document, document.contents)) {
      if (!isScalar(node)) found.refuse(name, NESTED);
      else if (node.value === null) found.fill(name, 'has no value there');
      else found.take(name, textOf(node));
    }
  }
}

/** One object of names and values. Numbers stay as they are written. */
export async function fromJson(text: string, found: Gathered, file: string): Promise<void> {
  const parsed = parseJson(text, file);
  if (!isObject(parsed)) throw new UserError(`${file} is no object of names and values`);
  takeAll(parsed, found);
  for (const name of await duplicatesIn(text)) found.refuse(name, 'is there twice; the last would win');
}

/**
 * What `vault kv get -format=json` prints, and what the HTTP API of Vault and of OpenBao answers: version 2 of the engine has its
 * metadata beside the data, version 1 has the data alone.
 */
export function fromVault(text: string, found: Gathered, file: string): void {
  const parsed = parseJson(text, file);
  const outer = isObject(parsed) ? parsed.data : undefined;
  const data = isObject(outer) && isObject(outer.metadata) && 'data' in outer ? outer.data : outer;
  if (isObject(data)) takeAll(data, found);
  else if (data === null && isObject(outer))
    throw new UserError(`${file}: this version is deleted in Vault`, 'read another one: vault kv get -version=…');
  else throw new UserError(`${file} is not what vault kv get -format=json prints`);
}

const NESTED = 'is no single value: take its parts out first, a map of names and values at a time';
const isObject = (given: unknown): given is Record<string, unknown> =>
  typeof given === 'object' && given !== null && !Array.isArray(given) && !(given instanceof Written);

function takeAll(object: Record<string, unknown>, found: Gathered): void {
  for (const [name, value] of Object.entries(object)) {
    if (typeof value === 'string') found.take(name, value);
    else if (value instanceof Written) found.take(name, value.text);
    else if (value === null) found.fill(name, 'has no value there');
    else found.refuse(name, NESTED);
  }
}

/** A number or a boolean, in the characters that stand there: 1.10 is not 1.1, and a long number has digits that none of ours has. */
class Written {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function parseJson(text: string, file: string): unknown {
  const asWritten = (_name: string, value: unknown, { source }: { source?: string }) =>
    typeof value === 'number' || typeof value === 'boolean' ? new Written(source ?? String(value)) : value;
  try {
    return JSON.parse(text, asWritten as (this: unknown, key: string, value: unknown) => unknown);
  } catch {
    // The parser's own words show what stands there.
    throw new UserError(`${file} is no JSON`);
  }
}

/** Names that stand twice at the top of a JSON object; the parser of YAML tells, the one of JSON does not. */
async function duplicatesIn(text: string): Promise<string[]> {
  const { isMap, isScalar, parseDocument } = await import('yaml');
  const { contents } = parseDocument(text, { uniqueKeys: false });
  const names = isMap(contents) ? contents.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : [];
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
}
