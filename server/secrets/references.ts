import { canonicalEnvironment } from '../../contracts/index.ts';

/** What is written between `${` and `}`: a key of the same folder, or the way to one. */
export interface Reference {
  /** As it stands in the value, braces included. */
  readonly text: string;
  /** Of another project, which shares the folder; absent: the same project. */
  readonly projectSlug?: string | undefined;
  /** Absent together with `path`: the folder that the value is in. */
  readonly environment?: string | undefined;
  readonly path?: string | undefined;
  readonly key: string;
}

/** A piece of a value: text as it is, or a reference. One that names nothing (`${a..B}`) has the text alone. */
export type Piece = string | Reference | { readonly text: string; readonly key?: undefined };

// Infisical's alphabet. Anything else in braces, as `${HOME:-/root}`, is text.
const REFERENCE = /\$\{([A-Za-z0-9_.@-]+)\}/g;

/** Whether a value may hold a reference. */
export function mayRefer(value: string): boolean {
  return value.includes('${');
}

/**
 * Cuts a value at its references: `${KEY}`, `${environment.folder.folder.KEY}`, and `${@project.environment.folder.KEY}`
 * for a folder that another project shares.
 */
export function piecesOf(value: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of value.matchAll(REFERENCE)) {
    if (match.index > end) pieces.push(value.slice(end, match.index));
    pieces.push(parse(match[0], match[1]!));
    end = match.index + match[0].length;
  }
  if (end < value.length) pieces.push(value.slice(end));
  return pieces;
}

function parse(text: string, inner: string): Piece {
  const parts = inner.split('.');
  if (parts.includes('')) return { text };
  if (parts.length === 1) return inner.startsWith('@') ? { text } : { text, key: inner };
  const projectSlug = inner.startsWith('@') ? parts.shift()!.slice(1) : undefined;
  if (parts.length < 2 || projectSlug === '') return { text };
  const [environment, ...folders] = parts as [string, ...string[]];
  const key = folders.pop()!;
  return { text, projectSlug, environment: canonicalEnvironment(environment), path: `/${folders.join('/')}`, key };
}
