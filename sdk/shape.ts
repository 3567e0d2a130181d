/**
 * Checks by hand of the few answers that a program waits for at its start. zod takes longer to load than all else that `kms run` and
 * `loadEnv` need, so what they ask for is checked without it; every other answer is held to its schema in contracts/.
 */

/** What an answer is held to: a zod schema, or a shape. */
export interface Reader<Answer> {
  safeParse(
    json: unknown,
  ):
    | { readonly success: true; readonly data: Answer }
    | { readonly success: false; readonly error: { readonly issues: readonly Issue[] } };
}
interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** What is wrong with a value, and where; nothing when it is as it should be. */
export type Check = (value: unknown, path: readonly PropertyKey[]) => Issue | undefined;

const kind =
  (name: 'string' | 'number' | 'boolean'): Check =>
  (value, path) =>
    typeof value === name ? undefined : { path, message: `expected a ${name}` };

export const text = kind('string');
export const number = kind('number');
export const flag = kind('boolean');

export const optional =
  (check: Check): Check =>
  (value, path) =>
    value === undefined ? undefined : check(value, path);

export const listOf =
  (check: Check): Check =>
  (value, path) => {
    if (!Array.isArray(value)) return { path, message: 'expected a list' };
    for (const [index, item] of value.entries()) {
      const issue = check(item, [...path, index]);
      if (issue) return issue;
    }
    return undefined;
  };

/** An object of any names, each with the same kind of value. */
export const mapOf =
  (check: Check): Check =>
  (value, path) =>
    object(Object.fromEntries(Object.keys(Object(value)).map((name) => [name, check])))(value, path);

/** Fields that are not named are left as they are: a newer server may send more. */
export const object =
  (fields: Readonly<Record<string, Check>>): Check =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return { path, message: 'expected an object' };
    for (const [name, check] of Object.entries(fields)) {
      const issue = check((value as Record<string, unknown>)[name], [...path, name]);
      if (issue) return issue;
    }
    return undefined;
  };

/** A check as something to hold an answer to. That it is right for the type is what test/sdk/shape.test.ts shows. */
export function readerOf<Answer>(check: Check): Reader<Answer> {
  return {
    safeParse(json) {
      const issue = check(json, []);
      return issue ? { success: false, error: { issues: [issue] } } : { success: true, data: json as Answer };
    },
  };
}

/** What a text holds as JSON; undefined when it holds none, which no shape takes. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
