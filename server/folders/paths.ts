import { MAX_PATH_CHARACTERS } from '../../contracts/index.ts';
import { badRequest } from '../refusal.ts';

const MAX_DEPTH = 32;

/** The path of the folder that this one is in; that of the root is "/". */
export const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/';
/** The path of a folder by its name in another. */
export const join = (parent: string, name: string) => (parent === '/' ? `/${name}` : `${parent}/${name}`);

/** Refuses a folder below more levels than a path may have. @param above the path that it would be made in */
export function refuseDeepPath(above: string): void {
  const depth = above === '/' ? 1 : above.split('/').length;
  if (depth > MAX_DEPTH) throw badRequest(`a path has at most ${MAX_DEPTH} levels`);
}

/** A folder whose path is longer than a request can name could be made, and never be read again. */
export function refuseLongPath(characters: number): void {
  if (characters > MAX_PATH_CHARACTERS) throw badRequest(`a path has at most ${MAX_PATH_CHARACTERS} characters`);
}
