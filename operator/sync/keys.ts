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

/**
 * Of an answer, the secret that stands for each key, and the import through which it is there.
 *
 * @throws SyncProblem KeysCollide as above
 */
export function chosenOf<
  Secret extends { readonly secretKey: string; readonly secretPath: string },
  Import extends { readonly secrets: readonly Secret[] },
>({ secrets, imports }: { readonly secrets: readonly Secret[]; readonly imports: readonly Import[] }) {
  const chosen = new Map<string, { readonly secret: Secret; readonly through: Import | undefined }>();
  for (const through of imports)
    for (const secret of through.secrets) chosen.set(secret.secretKey, { secret, through });
  const own = new Map<string, string>();
  for (const secret of secrets) {
    const { secretKey, secretPath } = secret;
    const other = own.get(secretKey);
    if (other !== undefined && other !== secretPath)
      throw new SyncProblem(
        'KeysCollide',
        `${secretKey} is in ${other} and in ${secretPath}: an object has one of each key; rename one, or leave out recursive`,
      );
    own.set(secretKey, secretPath);
    chosen.set(secretKey, { secret, through: undefined });
  }
  return chosen;
}

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
