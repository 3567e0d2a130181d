import { parseEnv } from 'node:util';
import { UserError } from '../problem.ts';
import type { Gathered } from './source.ts';

/** The variables of a .env file, as Node itself reads one. */
export function fromDotenv(text: string, found: Gathered, file: string): void {
  const variables = Object.entries(parseEnv(text)) as [string, string][];
  if (variables.length === 0) throw new UserError(`${file} has no line of the form NAME=value`);
  for (const [name, value] of variables) found.take(name, value);
  for (const name of namesWrittenTwice(text)) found.refuse(name, 'is there twice; the last would win');
}

/** Readers take the last of two silently. A line within a quoted value is no second one, which the reader itself tells. */
function namesWrittenTwice(text: string): string[] {
  const starts = [...text.matchAll(/^[ \t]*(?:export[ \t]+)?([^\s=#'"`]+)[ \t]*=/gm)];
  const named = Map.groupBy(starts, ([, name]) => name!);
  return [...named].flatMap(([name, places]) => {
    if (places.length < 2) return [];
    const real = places.filter(({ 0: start, index }) => {
      const renamed = `${start.slice(0, start.lastIndexOf(name))}${MARK}=`;
      return MARK in parseEnv(`${text.slice(0, index)}${renamed}${text.slice(index + start.length)}`);
    });
    return real.length > 1 ? [name] : [];
  });
}

const MARK = 'KMS_IMPORT_LOOKS_HERE';
