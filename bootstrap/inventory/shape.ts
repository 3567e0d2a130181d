import { z } from 'zod';
import { Inventory, type SecretKind, secretKinds } from '../../contracts/inventory.ts';
import { closest, didYouMean, type Problem } from './problem.ts';

/** What a person writes when they try to put a value into the file. */
const VALUE_LIKE = new Set(
  [
    'value',
    'val',
    'secretvalue',
    'secret',
    'default',
    'plaintext',
    'password',
    'content',
    'data',
    'token',
    'literal',
  ].concat(['stringdata', 'base64', 'key', 'defaultvalue']),
);
const NO_VALUES = 'this file declares secrets by name and kind, never by value; set the value with `kms secrets set`';
const KINDS = Object.keys(secretKinds) as SecretKind[];

/** Checks the document against the schema. What was written is not repeated where it could be a secret's value. */
export function checkShape(document: unknown): { inventory: Inventory } | { problems: Problem[] } {
  const result = Inventory.safeParse(document);
  if (result.success) return { inventory: result.data };
  return { problems: result.error.issues.flatMap((issue) => explain(issue, [], document)) };
}

function explain(issue: z.core.$ZodIssue, base: Problem['path'], document: unknown): Problem[] {
  const path = [...base, ...(issue.path as (string | number)[])];
  switch (issue.code) {
    case 'invalid_union': {
      const given = at(document, path);
      // Every union of the schema is "a word, or an object with details": what was written says which was meant.
      const branch = issue.errors[isRecord(given) ? 1 : 0];
      if (isRecord(given) || typeof given === 'string')
        return (branch ?? []).flatMap((inner) => explain(inner, path, document));
      return [
        {
          path,
          message: isInSecrets(path) ? 'a secret is declared by its kind' : `expected text, found ${nameOf(given)}`,
        },
      ];
    }
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], atKey: true, message: unknownKey(key, path) }));
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, atKey: true, message }));
    case 'invalid_value':
      return [{ path, message: isKind(path) ? notAKind(at(document, path)) : oneOf(issue.values, at(document, path)) }];
    case 'invalid_type': {
      const given = at(document, path);
      if (given === undefined) return [{ path: path.slice(0, -1), message: `"${path.at(-1)}" is missing` }];
      const hint = issue.expected === 'string' && typeof given === 'number' ? '; put it in quotes' : '';
      return [{ path, message: `expected ${nameOfType(issue.expected)}, found ${nameOf(given)}${hint}` }];
    }
    default:
      return [{ path, message: issue.message }];
  }
}

function unknownKey(key: string, path: Problem['path']): string {
  if (isInSecrets(path) && VALUE_LIKE.has(key.toLowerCase().replace(/[^a-z0-9]/g, ''))) {
    return `"${key}": ${NO_VALUES}`;
  }
  const known = keysAt(path);
  return `unknown key "${key}"${didYouMean(key, known) || `; known here: ${known.join(', ')}`}`;
}

// A value pasted where the kind belongs is the likeliest way for a secret to get into this file: it is not echoed.
function notAKind(given: unknown): string {
  const guess = typeof given === 'string' ? closest(given, KINDS) : undefined;
  if (guess) return `not a kind of secret; did you mean "${guess}"?`;
  return `not a kind of secret (${KINDS.join(', ')}); if it is the value: ${NO_VALUES}, and treat this one as leaked`;
}

function oneOf(values: readonly unknown[], given: unknown): string {
  const words = values.map(String);
  if (given === undefined) return `missing; one of ${words.join(', ')}`;
  return `expected ${words.length === 1 ? words[0] : `one of ${words.join(', ')}`}${typeof given === 'string' ? didYouMean(given, words) : ''}`;
}

const isInSecrets = (path: Problem['path']) => path[4] === 'secrets' && path.length === 6;
const isKind = (path: Problem['path']) => path[4] === 'secrets' && (path.length === 6 || path[6] === 'kind');

/** The keys that the schema knows at a path of the document. */
function keysAt(path: Problem['path']): string[] {
  let schema: z.core.$ZodType | undefined = Inventory;
  for (const segment of path) schema = step(unwrap(schema), segment);
  const here = unwrap(schema);
  return here instanceof z.ZodObject ? Object.keys(here.shape) : [];
}

function step(schema: z.core.$ZodType | undefined, segment: string | number): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodObject) return schema.shape[segment];
  if (schema instanceof z.ZodArray) return schema.element;
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}

/** The object, list or map within optional, default, transformed and either-or schemas. */
function unwrap(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.def.innerType);
  if (schema instanceof z.ZodPipe) return unwrap(schema.def.in);
  if (schema instanceof z.ZodUnion) return schema.options.map(unwrap).find((option) => option instanceof z.ZodObject);
  return schema;
}

/** Whether something out of YAML or JSON is a mapping. */
export const isRecord = (given: unknown): given is Record<string, unknown> =>
  typeof given === 'object' && given !== null && !Array.isArray(given);

function at(document: unknown, path: Problem['path']): unknown {
  return path.reduce<unknown>(
    (node, segment) => (node as Record<string | number, unknown> | undefined)?.[segment],
    document,
  );
}

function nameOf(given: unknown): string {
  if (given === null || given === undefined) return 'nothing';
  if (Array.isArray(given)) return 'a list';
  return typeof given === 'object' ? 'a map' : `a ${typeof given}`;
}

function nameOfType(expected: string): string {
  const names: Record<string, string> = {
    string: 'text',
    array: 'a list',
    object: 'a map',
    record: 'a map',
    int: 'a whole number',
  };
  return names[expected] ?? `a ${expected}`;
}
