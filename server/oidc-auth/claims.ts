import { isStorable } from '../../contracts/index.ts';
import { BadGlob, Glob } from '../access/glob.ts';

/** What a login binds a claim to: entries with commas between them, of which one must match. */
const entriesOf = (list: string): string[] =>
  list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

/** Whether an entry is a glob. Everything else is compared as it is, so that `auth0|5f7c` needs no escape. */
const isGlob = (entry: string) => /[*?[{]/.test(entry);

/** What is wrong with the globs of a list; nothing when they are fine. */
export function problemOf(list: string): string | undefined {
  for (const entry of entriesOf(list)) {
    try {
      if (isGlob(entry)) new Glob(entry);
    } catch (error) {
      if (!(error instanceof BadGlob)) throw error;
      return error.message;
    }
  }
  return undefined;
}

/** Whether a list lets something out: one of nothing but stars binds nothing. */
export const binds = (list: string): boolean => {
  const entries = entriesOf(list);
  return entries.length > 0 && entries.every((entry) => /[^*/?]/.test(entry));
};

/** Whether a claim is, or holds, one of the entries. Only text, numbers and booleans are: an object matches nothing. */
export function matches(list: string, value: unknown): boolean {
  const values = Array.isArray(value) ? value : [value];
  return values.some((one) => {
    if (typeof one !== 'string' && typeof one !== 'number' && typeof one !== 'boolean') return false;
    const text = String(one);
    return entriesOf(list).some((entry) => entry === text || (isGlob(entry) && new Glob(entry).test(text)));
  });
}

/**
 * The claim of a name: the one that is called so, or, along its dots, one within others (`kubernetes.io.namespace` finds
 * both spellings that there are). Only what the token itself says: nothing of JavaScript's own objects.
 */
export function claimOf(payload: unknown, name: string): unknown {
  if (typeof payload !== 'object' || payload === null) return undefined;
  if (Object.hasOwn(payload, name)) return (payload as Record<string, unknown>)[name];
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const head = name.slice(0, dot);
    if (!Object.hasOwn(payload, head)) continue;
    const inner = claimOf((payload as Record<string, unknown>)[head], name.slice(dot + 1));
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** Whether everything that a token says can be stored: its claims are recorded, and an issuer may sign what it likes. */
export function areStorable(payload: unknown): boolean {
  const left = [payload];
  while (left.length > 0) {
    const one = left.pop();
    if (typeof one === 'string' && !isStorable(one)) return false;
    if (typeof one !== 'object' || one === null) continue;
    for (const [name, value] of Object.entries(one)) left.push(name, value);
  }
  return true;
}
