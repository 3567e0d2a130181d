import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type AuthSecret, KeyFormatError, parseAuthSecret } from '../../keys/index.ts';
import { type Credentials, Kms, type KmsOptions } from '../../sdk/index.ts';
import { readOwnIfThere } from '../durable-file.ts';
import { parseEnvFile } from '../init/env-file.ts';
import { addressOf, loginsFile, readLogins } from '../logins/logins.ts';
import { UserError } from '../problem.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** What the local trial leaves for the command lines (mode 0600). The trial is on this machine: no other address is taken from a file. */
export const AdminFile = z.object({
  url: z.string().refine((url) => URL.canParse(url) && LOOPBACK.test(new URL(url).hostname)),
  email: z.string(),
  token: z.string(),
});
export type AdminFile = z.infer<typeof AdminFile>;
/** Where the local trial leaves it. */
export const adminFile = (folder: string) => join(folder, 'admin.json');

/** Where KMS is and who calls, as the environment or the local trial says. */
export interface Reach {
  readonly connection: Omit<KmsOptions, 'credentials'>;
  readonly credentials: Credentials | undefined;
}

const USER_AGENT = 'kms-cli';

/**
 * KMS_URL with KMS_TOKEN, with KMS_CLIENT_ID and KMS_CLIENT_SECRET, or with a `kms login` there. Without KMS_URL: the address of
 * `.kms.yaml` with a login there; the local trial's admin.json; the last login.
 * Credentials go to no address that somebody else named: what is in the environment only to KMS_URL or the trial, a login only to where it was made.
 */
export async function findReach(environment: Environment, folder: string, repositoryUrl?: string): Promise<Reach> {
  const given = (name: string) => environment[name]?.trim() || undefined;
  const url = given('KMS_URL');
  if (url !== undefined) {
    const credentials = credentialsOf(given) ?? (await loginAt(environment, url));
    return { connection: { url, userAgent: USER_AGENT }, credentials };
  }
  if (repositoryUrl !== undefined) {
    const credentials = await loginAt(environment, repositoryUrl);
    if (credentials) return { connection: { url: repositoryUrl, userAgent: USER_AGENT }, credentials };
    throw new UserError(
      `not logged in to ${repositoryUrl}, which .kms.yaml names`,
      credentialsOf(given)
        ? 'credentials of the environment go to no address that a file names: set KMS_URL as well'
        : `run kms login --url ${repositoryUrl}`,
    );
  }
  const local = await readAdminFile(folder);
  if (local) {
    const credentials = credentialsOf(given) ?? { token: local.token };
    return { connection: { url: local.url, userAgent: USER_AGENT }, credentials };
  }
  const { current, logins } = await readLogins(loginsFile(environment));
  const last = current === undefined ? undefined : logins[current];
  if (current !== undefined && last)
    return { connection: { url: current, userAgent: USER_AGENT }, credentials: { token: last.token } };
  throw new UserError(
    'KMS_URL is not set, and no local trial has run here',
    'set KMS_URL, run kms login, or run npm start first',
  );
}

async function loginAt(environment: Environment, url: string): Promise<Credentials | undefined> {
  if (!URL.canParse(url)) return undefined;
  const { logins } = await readLogins(loginsFile(environment));
  const found = logins[addressOf(url)];
  return found && { token: found.token };
}

function credentialsOf(given: (name: string) => string | undefined): Credentials | undefined {
  const token = given('KMS_TOKEN');
  if (token) return { token };
  const clientId = given('KMS_CLIENT_ID');
  const clientSecret = given('KMS_CLIENT_SECRET');
  if (clientId && clientSecret) return { clientId, clientSecret };
  if (!clientId && !clientSecret) return undefined;
  throw new UserError(`${clientId ? 'KMS_CLIENT_SECRET' : 'KMS_CLIENT_ID'} is not set, and the other one is`);
}

/** What the local trial left in a folder, if one ran there. @throws UserError when it is not what the trial writes */
export async function readAdminFile(folder: string): Promise<AdminFile | undefined> {
  const text = await readOwnIfThere(adminFile(folder));
  if (text === undefined) return undefined;
  try {
    return AdminFile.parse(JSON.parse(text));
  } catch {
    throw new UserError(`${adminFile(folder)} is not what the local trial wrote`, 'remove it and run npm start again');
  }
}

/** A client for commands that need somebody's credentials. */
export function clientOf({ connection, credentials }: Reach): Kms {
  if (!credentials) {
    throw new UserError(
      `no credentials for ${connection.url}`,
      'set KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET, or run kms login',
    );
  }
  return new Kms({ ...connection, credentials });
}

/** An organization by its slug. @throws UserError that names those that the caller can see */
export async function organizationIdOf(kms: Kms, slug: string): Promise<string> {
  const organizations = await kms.organizations.list();
  const found = organizations.find((organization) => organization.slug === slug);
  if (found) return found.id;
  throw new UserError(
    `no organization "${slug}" among those you can see: ${organizations.map((one) => one.slug).join(', ') || 'none'}`,
  );
}

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
