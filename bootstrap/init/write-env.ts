import { randomBytes } from 'node:crypto';
import { basename, dirname, extname, join } from 'node:path';
import { FileExists, readIfThere, readOwnIfThere, writeDurably } from '../durable-file.ts';
import { UserError } from '../problem.ts';
import { formatEnvFile, parseEnvFile } from './env-file.ts';
import { type Addresses, makeKmsSecrets } from './kms-secrets.ts';

/** The Postgres of compose.yaml, as the other services reach it. */
const HOST = 'postgres';
const VARIABLE = 'POSTGRES_PASSWORD';

export interface EnvFiles {
  /** kms-secrets, as they were written. */
  readonly secrets: ReturnType<typeof makeKmsSecrets>;
  /** In the order in which they were made. */
  readonly files: readonly string[];
}

/**
 * Writes kms-secrets as an env file, and the password of a Postgres beside it as one more: a container that has both would hold the root
 * key for nothing. The password comes first and is read again, so that a run that goes on after a broken one builds upon it.
 *
 * @param file of kms-secrets; an existing one is refused
 * @throws UserError when there is an address of a database already
 */
export async function writeEnvFiles(file: string, given: Addresses, withPostgres: boolean): Promise<EnvFiles> {
  if (!withPostgres) return finish(file, given, []);
  if (given.DB_CONNECTION_URI)
    throw new UserError(
      'DB_CONNECTION_URI is set, and --bundled-postgres makes one',
      'unset it, or leave out --bundled-postgres',
    );
  if ((await readIfThere(file)) !== undefined) throw new FileExists(file);
  const beside = postgresFile(file);
  const password = (await passwordIn(beside)) ?? (await newPassword(beside));
  return finish(file, { ...given, DB_CONNECTION_URI: `postgresql://kms:${password}@${HOST}:5432/kms` }, [beside]);
}

async function finish(file: string, addresses: Addresses, before: readonly string[]): Promise<EnvFiles> {
  const secrets = makeKmsSecrets(addresses);
  await writeDurably(file, formatEnvFile({ ...secrets }), { exclusive: true });
  return { secrets, files: [...before, file] };
}

/** `kms.env` has `kms-postgres.env` beside it. */
function postgresFile(file: string): string {
  const end = extname(file);
  return join(dirname(file), `${basename(file, end)}-postgres${end}`);
}

async function passwordIn(file: string): Promise<string | undefined> {
  const text = await readOwnIfThere(file);
  if (text === undefined) return undefined;
  const password = parseEnvFile(text, file)[VARIABLE];
  if (password && /^[0-9a-f]{32,}$/.test(password)) return password;
  throw new UserError(`${file} exists and has no ${VARIABLE} that kms-bootstrap made`, 'move it away');
}

async function newPassword(file: string): Promise<string> {
  const password = randomBytes(24).toString('hex');
  await writeDurably(file, formatEnvFile({ [VARIABLE]: password }), { exclusive: true });
  return password;
}
