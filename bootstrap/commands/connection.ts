import { readFile } from 'node:fs/promises';
import { type AuthSecret, KeyFormatError, parseAuthSecret } from '../../keys/index.ts';
import { Kms } from '../../sdk/index.ts';
import { parseEnvFile } from '../init/env-file.ts';
import { type Reach, withCredentials } from '../logins/reach.ts';
import { UserError } from '../problem.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A client for commands that need somebody's credentials. */
export const clientOf = (reach: Reach) => new Kms(withCredentials(reach));

/** AUTH_SECRET, which proves that the caller installed the instance: from an env file, or from the environment. */
export async function findAuthSecret(
  environment: Environment,
  file: string | undefined,
): Promise<AuthSecret | undefined> {
  const text = file === undefined ? environment.AUTH_SECRET : (await readEnvFile(file)).AUTH_SECRET;
  if (file !== undefined && !text) throw new UserError(`${file} holds no AUTH_SECRET`);
  if (!text) return undefined;
  try {
    return parseAuthSecret(text);
  } catch (error) {
    if (error instanceof KeyFormatError) throw new UserError(error.message);
    throw error;
  }
}

/** The variables of an env file. @throws UserError when it cannot be read, or a line is no assignment */
export async function readEnvFile(file: string): Promise<Record<string, string>> {
  try {
    return parseEnvFile(await readFile(file, 'utf8'), file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UserError(`${file} cannot be read: ${code === 'ENOENT' ? 'there is no such file' : code}`);
  }
}
