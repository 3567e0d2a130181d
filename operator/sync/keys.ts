import { chosenOf as chosen, NamesCollide } from '../../sdk/values.ts';
import { SyncProblem } from './problem.ts';

/** One secret as a template or an object sees it. */
interface Entry {
  readonly value: string;
  /** Folder that it comes from. */
  readonly path: string;
}

/** What KMS has, by key. */
export type Entries = ReadonlyMap<string, Entry>;

interface FoundSecret {
  readonly secretKey: string;
  readonly secretValue: string;
  readonly secretPath: string;
}

/** An answer of KMS, as far as it is needed. */
export interface Found {
  readonly secrets: readonly FoundSecret[];
  readonly imports: readonly {
    readonly secretPath: string;
    readonly secrets: readonly FoundSecret[];
  }[];
}

/**
 * The keys of an answer. A folder's own secret wins over an imported one, and of two imports the later, as everywhere in KMS.
 *
 * @throws SyncProblem KeysCollide when two folders below the path hold the same key
 */
export function entriesOf(found: Found): Entries {
  const chosen = chosenOf(found);
  return new Map(
    [...chosen].map(([key, { secret, through }]) => [
      key,
      { value: secret.secretValue, path: through?.secretPath ?? secret.secretPath },
    ]),
  );
}

/** As the SDK's, in our words. @throws SyncProblem KeysCollide */
export const chosenOf: typeof chosen = (found) => {
  try {
    return chosen(found);
  } catch (error) {
    if (!(error instanceof NamesCollide)) throw error;
    const [one, other] = error.paths;
    throw new SyncProblem(
      'KeysCollide',
      `${error.key} is in ${one} and in ${other}: an object has one of each key; rename one, or leave out recursive`,
    );
  }
};

/** @param folder in words. @throws SyncProblem KeysMissing that names them */
export function requireKeys(entries: Entries, required: readonly string[], folder: string): void {
  const missing = required.filter((key) => !entries.has(key));
  if (missing.length > 0)
    throw new SyncProblem(
      'KeysMissing',
      `${folder} has no ${listed(missing)}: set ${missing.length === 1 ? 'it' : 'them'} in KMS, or take ${missing.length === 1 ? 'it' : 'them'} out of requiredKeys`,
    );
}

/** Up to ten of them, for a message. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}
