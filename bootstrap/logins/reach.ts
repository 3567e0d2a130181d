import { join } from 'node:path';
import type { Credentials } from '../../sdk/authentication.ts';
import type { KmsOptions } from '../../sdk/open.ts';
import { jsonOf, object, readerOf, text } from '../../sdk/shape.ts';
import { readOwnIfThere } from '../durable-file.ts';
import { UserError } from '../problem.ts';
import { addressOf, loginsFile, readLogins } from './logins.ts';
import { isOld, leftOf, tokensOf } from './tokens.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|localhost|\[::1\])$/;

/** What the local trial leaves for the command lines (mode 0600). The trial is on this machine: no other address is taken from a file. */
interface AdminFile {
  readonly url: string;
  readonly email: string;
  readonly token: string;
}
const AdminFile = readerOf<AdminFile>(object({ url: text, email: text, token: text }));
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
  const { current } = await readLogins(loginsFile(environment));
  const credentials = current === undefined ? undefined : await loginAt(environment, current);
  if (current !== undefined && credentials) return { connection: { url: current, userAgent: USER_AGENT }, credentials };
  throw new UserError(
    'KMS_URL is not set, and no local trial has run here',
    'set KMS_URL, run kms login, or run npm start first',
  );
}

async function loginAt(environment: Environment, url: string): Promise<Credentials | undefined> {
  if (!URL.canParse(url)) return undefined;
  const { logins } = await readLogins(loginsFile(environment));
  const address = addressOf(url);
  const login = logins[address];
  if (!login) return undefined;
  const tokens = await tokensOf(address, login);
  // Loaded here: it is seldom needed. kms run --watch outlives its first token.
  const renew = async () => (await (await import('./renew.ts')).renewed(environment, address)).token;
  return { token: isOld(leftOf(tokens.token, login)) ? await renew() : tokens.token, renew };
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
  const content = await readOwnIfThere(adminFile(folder));
  if (content === undefined) return undefined;
  const parsed = AdminFile.safeParse(jsonOf(content));
  if (parsed.success && URL.canParse(parsed.data.url) && LOOPBACK.test(new URL(parsed.data.url).hostname))
    return parsed.data;
  throw new UserError(`${adminFile(folder)} is not what the local trial wrote`, 'remove it and run npm start again');
}

/** What a client is made of that needs somebody's credentials. @throws UserError when there are none */
export function withCredentials({ connection, credentials }: Reach): KmsOptions {
  if (credentials) return { ...connection, credentials };
  throw new UserError(
    `no credentials for ${connection.url}`,
    'set KMS_TOKEN, or KMS_CLIENT_ID and KMS_CLIENT_SECRET, or run kms login',
  );
}
