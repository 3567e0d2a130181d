import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { readOwnIfThere, writeDurably } from '../durable-file.ts';
import { UserError } from '../problem.ts';

/** A person's login at one server, as `kms login` keeps it. */
const Login = z.object({
  email: z.string(),
  organization: z.string(),
  token: z.string(),
  /** When it was made, as an instant. */
  at: z.string(),
});
export type Login = z.infer<typeof Login>;

const Logins = z.object({
  /** The address that was logged in to last; used where nothing names another. */
  current: z.string().optional(),
  logins: z.record(z.string(), Login),
});
export type Logins = z.infer<typeof Logins>;

/** Where logins are kept (mode 0600): `kms/logins.json` in XDG_CONFIG_HOME, which is `~/.config` when unset. */
export function loginsFile(environment: Readonly<Record<string, string | undefined>>): string {
  const given = environment.XDG_CONFIG_HOME;
  return join(
    given && isAbsolute(given) ? given : join(environment.HOME || homedir(), '.config'),
    'kms',
    'logins.json',
  );
}

/** All logins. @throws UserError when the file is not the caller's alone, or not what `kms login` writes */
export async function readLogins(file: string): Promise<Logins> {
  const text = await readOwnIfThere(file);
  if (text === undefined) return { logins: {} };
  try {
    return Logins.parse(JSON.parse(text));
  } catch {
    throw new UserError(`${file} is not what kms login wrote`, 'remove it and log in again');
  }
}

export const writeLogins = (file: string, logins: Logins) => writeDurably(file, `${JSON.stringify(logins, null, 2)}\n`);

/** The address as the file has it: a login at one is never sent to another. */
export const addressOf = (url: string) => new URL(url).href.replace(/\/$/, '');
