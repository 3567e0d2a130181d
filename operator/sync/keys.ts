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
    readonly secrets: readonly Omit<FoundSecret, 'secretPath'>[];
  }[];
}

/**
 * The keys of an answer. A folder's own secret wins over an imported one, and of two imports the later, as everywhere in KMS.
 *
 * @throws SyncProblem KeysCollide when two folders below the path hold the same key
 */
export function entriesOf({ secrets, imports }: Found): Entries {
  const entries = new Map<string, Entry>();
  for (const { secretPath, secrets: imported } of imports)
    for (const { secretKey, secretValue } of imported) entries.set(secretKey, { value: secretValue, path: secretPath });
  const own = new Map<string, string>();
  for (const { secretKey, secretValue, secretPath } of secrets) {
    const other = own.get(secretKey);
    if (other !== undefined && other !== secretPath)
      throw new SyncProblem(
        'KeysCollide',
        `${secretKey} is in ${other} and in ${secretPath}: an object has one of each key; rename one, or leave out recursive`,
      );
    own.set(secretKey, secretPath);
    entries.set(secretKey, { value: secretValue, path: secretPath });
  }
  return entries;
}

/** @throws SyncProblem KeysMissing that names them */
export function requireKeys(entries: Entries, required: readonly string[]): void {
  const missing = required.filter((key) => !entries.has(key));
  if (missing.length > 0)
    throw new SyncProblem(
      'KeysMissing',
      `KMS does not have ${listed(missing)}, which requiredKeys names; the last good content stays`,
    );
}

/** Up to ten of them, for a message. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}
