import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { jsonOf, mapOf, object, optional, readerOf, text } from '../../sdk/shape.ts';
import { readOwnIfThere, writeDurably } from '../durable-file.ts';
import { UserError } from '../problem.ts';

/** A person's login at one server, as `kms login` keeps it. */
export interface Login {
  readonly email: string;
  readonly organization: string;
  /** What the server is asked with; absent when the keychain of the system has it. */
  readonly token?: string;
  /** What the session is gone on with, as a browser does by its cookie. */
  readonly refresh?: string;
  /** When the token was obtained, as an instant of this machine's clock. */
  readonly at: string;
  /** Where token and refresh are. @default "file": here */
  readonly store?: 'keychain';
}

export interface Logins {
  /** The address that was logged in to last; used where nothing names another. */
  readonly current?: string;
  readonly logins: Readonly<Record<string, Login>>;
}
const LoginsFile = readerOf<Logins>(
  object({
    current: optional(text),
    logins: mapOf(
      object({
        email: text,
        organization: text,
        at: text,
        token: optional(text),
        refresh: optional(text),
        store: optional(text),
      }),
    ),
  }),
);

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
  const content = await readOwnIfThere(file);
  if (content === undefined) return { logins: {} };
  const parsed = LoginsFile.safeParse(jsonOf(content));
  if (parsed.success) return parsed.data;
  throw new UserError(`${file} is not what kms login wrote`, 'remove it and log in again');
}

export const writeLogins = (file: string, logins: Logins) => writeDurably(file, `${JSON.stringify(logins, null, 2)}\n`);

/** The address as the file has it: a login at one is never sent to another. */
export const addressOf = (url: string) => new URL(url).href.replace(/\/$/, '');
