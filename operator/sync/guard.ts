import { SyncProblem } from './problem.ts';

/** What an answer says of itself. */
export interface Evidence {
  /** The folder that was read; undefined when the server does not say. */
  readonly folderId: string | undefined;
  /** The project's change id that the answer is of; undefined when the server does not say. */
  readonly changeId: string | undefined;
}

/** What the last answer that was followed was, and how many keys it had. */
export interface Followed extends Evidence {
  readonly keys: number;
}

/** Fewer than this part of the keys left is not an everyday change. */
const MOST = 0.5;
/** Of so few keys, half is one or two. */
const FEW = 4;

/**
 * Whether an answer with far fewer keys is followed. A workload without its secrets is an outage, so it takes evidence that somebody
 * removed them: the answer names the same folder as before, and the project has changed since.
 *
 * @param before undefined: nothing was followed yet, such as after a start; then the object's own number of keys counts, and only
 *   the folder's and the project's ids as the status keeps them
 * @throws SyncProblem EmptyHeld or ShrinkHeld
 */
export function guardShrink(before: Followed | undefined, now: Evidence, keys: number): void {
  if (!before || before.keys === 0) return;
  const isEmpty = keys === 0;
  const isFar = before.keys > FEW && keys < before.keys * (1 - MOST);
  if (!isEmpty && !isFar) return;
  const sameFolder = now.folderId !== undefined && now.folderId === before.folderId;
  const changed = now.changeId !== undefined && now.changeId !== before.changeId;
  if (sameFolder && changed) return;
  const found = isEmpty ? 'KMS answered with no key' : `KMS answered with ${keys} keys`;
  const doubt = sameFolder
    ? 'though nothing has changed in the project since'
    : now.folderId === undefined
      ? 'and does not say which folder it is of'
      : 'and of another folder than before';
  throw new SyncProblem(
    isEmpty ? 'EmptyHeld' : 'ShrinkHeld',
    `${found} where there were ${before.keys}, ${doubt}. If that is right, delete the KMSSecret and create it again; if not, look whether hostAPI, project and path are the ones that are meant`,
  );
}
