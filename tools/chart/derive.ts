import { isDeepStrictEqual } from 'node:util';
import type { Edit } from './template.ts';

/**
 * Finds out what a setting does to an object, by rendering with and without it: the constructs themselves say what is there under which
 * condition, and where a value goes.
 */

/** What a rendering with another setting tells. */
export type Finding =
  /** The setting is off in it: what is missing is there under this condition. */
  | { readonly when: string }
  /** The setting is another one in it: what differs is this expression. */
  | { readonly value: string };

type Edits = Record<string, Edit>;

/**
 * The edits that make a template of an object.
 *
 * @param other the same object in the other rendering
 * @throws Error when the other one has what this one has not: the object has to be rendered with everything on
 */
export function editsBetween(object: object, other: object, finding: Finding): Edits {
  const edits: Edits = {};
  compare(object, other, [], finding, edits);
  return edits;
}

/** Edits of one object, of several findings: each condition must hold. */
export function merged(...all: readonly Edits[]): Edits {
  const result: Edits = {};
  for (const edits of all)
    for (const [path, edit] of Object.entries(edits)) {
      const earlier = result[path];
      const when = [earlier?.when, edit.when].filter((one) => one !== undefined);
      result[path] = { ...earlier, ...edit, ...(when.length > 0 && { when: both(when) }) };
    }
  return result;
}

/** Several conditions as one. */
export function both(conditions: readonly string[]): string {
  const different = [...new Set(conditions)];
  return different.length === 1 ? different[0]! : `and ${different.map(inBrackets).join(' ')}`;
}

const inBrackets = (expression: string) => (/\s/.test(expression) ? `(${expression})` : expression);

function compare(here: unknown, there: unknown, path: readonly string[], finding: Finding, edits: Edits): void {
  if (isDeepStrictEqual(here, there)) return;
  const note = (at: readonly string[], edit: Edit) => {
    edits[at.join(' ')] = edit;
  };
  if (Array.isArray(here) && Array.isArray(there)) {
    const pairs = paired(here, there);
    if (pairs.filter(Boolean).length < there.length)
      throw new Error(`${path.join(' ')} has more entries where ${JSON.stringify(finding)}`);
    for (const [index, entry] of here.entries()) {
      const pair = pairs[index];
      if (pair) compare(entry, pair.entry, [...path, String(index)], finding, edits);
      else if ('when' in finding) note([...path, String(index)], { when: finding.when });
      else throw new Error(`${path.join(' ')} has other entries where ${JSON.stringify(finding)}`);
    }
    return;
  }
  if (isMap(here) && isMap(there)) {
    for (const key of Object.keys(there))
      if (!(key in here)) throw new Error(`${[...path, key].join(' ')} is new where ${JSON.stringify(finding)}`);
    for (const [key, value] of Object.entries(here)) {
      if (key in there) compare(value, there[key], [...path, key], finding, edits);
      else if ('when' in finding) note([...path, key], { when: finding.when });
      else throw new Error(`${[...path, key].join(' ')} is missing where ${JSON.stringify(finding)}`);
    }
    return;
  }
  note(path, 'when' in finding ? { choice: { when: finding.when, other: there } } : { value: finding.value });
}

/**
 * What each entry of a list is in another one: the one of its name, or the same one; when as many are left on both sides, these by their
 * order.
 */
function paired(here: readonly unknown[], there: readonly unknown[]): ({ readonly entry: unknown } | undefined)[] {
  const left = [...there];
  const pairs = here.map((entry) => {
    const index = left.findIndex((other) =>
      isMap(entry) && isMap(other) && typeof entry.name === 'string'
        ? entry.name === other.name
        : isDeepStrictEqual(entry, other),
    );
    return index < 0 ? undefined : { entry: left.splice(index, 1)[0] };
  });
  if (pairs.filter((pair) => !pair).length !== left.length) return pairs;
  return pairs.map((pair) => pair ?? { entry: left.shift() });
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
