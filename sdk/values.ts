/** Two folders below the one that was asked for have the same name: a program can have one value of each. */
export class NamesCollide extends Error {
  override readonly name = 'NamesCollide';
  readonly key: string;
  /** The two folders. */
  readonly paths: readonly [string, string];

  constructor(key: string, paths: readonly [string, string]) {
    super(
      `${key} is in ${paths[0]} and in ${paths[1]}, and there can be one of each name; rename one, or leave out recursive`,
    );
    this.key = key;
    this.paths = paths;
  }
}

/** Secrets that the caller may know of, and whose values it may not read. */
export class ValuesHidden extends Error {
  override readonly name = 'ValuesHidden';
  readonly keys: readonly string[];

  constructor(keys: readonly string[]) {
    super(`these may be known of, and their values not read: ${keys.join(', ')}`);
    this.keys = keys;
  }
}

/**
 * Of an answer, the secret that stands for each name, and the import through which it is there. A folder's own secret wins over an
 * imported one, and of two imports the later, as everywhere in KMS.
 *
 * @throws NamesCollide when two folders below the path hold the same name
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
    if (other !== undefined && other !== secretPath) throw new NamesCollide(secretKey, [other, secretPath]);
    own.set(secretKey, secretPath);
    chosen.set(secretKey, { secret, through: undefined });
  }
  return chosen;
}

interface FoundSecret {
  readonly secretKey: string;
  readonly secretPath: string;
  readonly secretValue: string;
  readonly secretValueHidden: boolean;
}

/**
 * Values by name, as a program is given them.
 *
 * @throws NamesCollide as above
 * @throws ValuesHidden: a program that starts with a placeholder as its password finds out later, and it costs more
 */
export function valuesOf(found: {
  readonly secrets: readonly FoundSecret[];
  readonly imports: readonly { readonly secrets: readonly FoundSecret[] }[];
}): Map<string, string> {
  const chosen = [...chosenOf(found)];
  const hidden = chosen.filter(([, { secret }]) => secret.secretValueHidden).map(([name]) => name);
  if (hidden.length > 0) throw new ValuesHidden(hidden);
  return new Map(chosen.map(([name, { secret }]) => [name, secret.secretValue]));
}
