import { decidesCode } from '../../sdk/loaders.ts';
import { UserError } from '../problem.ts';

/** A secret that the child does not get, and why. */
export interface LeftOut {
  readonly name: string;
  readonly why: string;
}

/** Linux holds a variable, its name, "=" and NUL included, in 32 pages (MAX_ARG_STRLEN in execve(2)). */
const LONGEST_BYTES = 131_072;

/** How secrets and the present environment come together. */
export interface Merging {
  /** Whether a variable that is there already stays as it is. @default false: what KMS says is what runs */
  readonly keepEnv?: boolean;
  /** Whether variables that decide which code runs are taken from KMS. @default false */
  readonly allowLoaders?: boolean;
}

/**
 * The environment of a child: the present one with the secrets in it, byte for byte.
 *
 * @throws UserError that names the secret whose value no environment can hold; never the value
 */
export function environmentOf(
  present: NodeJS.ProcessEnv,
  secrets: ReadonlyMap<string, string>,
  { keepEnv = false, allowLoaders = false }: Merging = {},
): { env: NodeJS.ProcessEnv; leftOut: LeftOut[] } {
  // Without a prototype: a secret can be called __proto__, too.
  const env: NodeJS.ProcessEnv = Object.assign(Object.create(null), present);
  const leftOut: LeftOut[] = [];
  for (const [name, value] of secrets) {
    if (name === '' || /[=\0]/.test(name)) leftOut.push({ name, why: 'no environment can hold a name with "="' });
    else if (!allowLoaders && decidesCode(name))
      leftOut.push({ name, why: 'it decides which code runs, or where credentials go; --allow-loaders passes it on' });
    else if (keepEnv && present[name] !== undefined) leftOut.push({ name, why: 'it is set already, and --keep-env' });
    else {
      refuseUnfit(name, value);
      env[name] = value;
    }
  }
  return { env, leftOut };
}

function refuseUnfit(name: string, value: string): void {
  if (value.includes('\0'))
    throw new UserError(
      `the value of ${name} holds a NUL, which no environment can`,
      'encode it, for example with base64',
    );
  if (process.platform === 'linux' && Buffer.byteLength(name) + Buffer.byteLength(value) + 2 > LONGEST_BYTES)
    throw new UserError(
      `the value of ${name} is too long for an environment (${Buffer.byteLength(value)} bytes; Linux takes ${LONGEST_BYTES} with the name)`,
      'let the program read it itself, by kms secrets get or the SDK',
    );
}
