import { jsonOf } from './shape.ts';

/** What a token says of itself; undefined for one that is no JWT. Nothing is decided by it: whether it is genuine only the server knows. */
export function claimsOf(token: string): unknown {
  try {
    return jsonOf(atob((token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    // A service token, or something else.
    return undefined;
  }
}
