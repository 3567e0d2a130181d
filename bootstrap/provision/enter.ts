import type { Inventory } from '../../contracts/inventory.ts';
import { type AuthSecret, clientSecretPrefix, firstCredential } from '../../keys/index.ts';
import { Conflict, Forbidden, Kms, type KmsOptions, NotFound } from '../../sdk/index.ts';
import { firstAdmin, proverOf } from '../first-run/first-run.ts';
import { UserError } from '../problem.ts';

/** A session with the instance, as one of its admins. */
export interface Entered {
  readonly kms: Kms;
  /** Whose session it is. */
  readonly admin: string;
  /** Whether the instance had no admin before. */
  readonly firstRun: boolean;
  /** Ends the session: nothing that this run was given works after it. */
  leave(): Promise<void>;
}

/** Which instance, and what proves that its installer asks. */
export interface EnterOptions {
  readonly connection: Omit<KmsOptions, 'credentials'>;
  readonly authSecret: AuthSecret;
  /** An instance admin to act as. @default - the first one that is found */
  readonly recover?: string | undefined;
}

/**
 * The way into an instance for who keeps nothing between two runs but kms-secrets: makes the first admin where there is none, and opens a
 * session as an instance admin by proof of kms-secrets, which the audit shows. The first call is made each time, always with the
 * same credential, so that it can be broken off anywhere and made by two at once; where it has been made it changes nothing.
 */
export async function enter(options: EnterOptions, inventory: Inventory): Promise<Entered> {
  const { connection, authSecret } = options;
  const open = new Kms(connection);
  const prove = proverOf(authSecret);
  const isFresh = !(await open.admin.initialized());
  const credential = firstCredential(authSecret);
  const isNamed = inventory.organizations.some(({ admins }) => admins.length > 0);
  const who = firstAdmin(inventory, isNamed ? undefined : options.recover);
  const first = await open.admin.bootstrap({ ...who, credential }, prove).catch((error: unknown) => {
    if (error instanceof Conflict) return undefined;
    throw error instanceof Forbidden ? wrongProof(connection.url, error) : error;
  });
  const candidates = [
    ...(options.recover === undefined ? [] : [options.recover.trim().toLowerCase()]),
    ...(first ? [first.user.email] : []),
    ...inventory.organizations.flatMap(({ admins }) => admins),
  ].filter((email): email is string => email !== null);
  const { admin, token } = await sessionOf(open, prove, candidates, connection.url);
  const kms = new Kms({ ...connection, credentials: { token } });
  if (first) {
    const { id } = first.identity;
    const prefix = clientSecretPrefix(credential);
    for (const live of await kms.identities.clientSecrets(id))
      if (live.clientSecretPrefix === prefix) await kms.identities.revokeClientSecret(id, live.id);
  }
  return { kms, admin, firstRun: isFresh && first !== undefined, leave: () => open.admin.endToken(token) };
}

async function sessionOf(open: Kms, prove: ReturnType<typeof proverOf>, candidates: readonly string[], url: string) {
  for (const admin of new Set(candidates)) {
    try {
      const { accessToken } = await open.admin.recoverySession(admin, prove);
      return { admin, token: accessToken };
    } catch (error) {
      if (error instanceof NotFound) continue;
      throw error instanceof Forbidden ? wrongProof(url, error) : error;
    }
  }
  throw new UserError(
    `nobody of ${[...new Set(candidates)].join(', ')} is an admin of the instance at ${url}`,
    'name one of its admins with --recover',
  );
}

function wrongProof(url: string, cause: Forbidden): UserError {
  return new UserError(
    `${url} does not take the proof of kms-secrets: ${cause.message}`,
    'its AUTH_SECRET is another one: do KMS_URL and kms-secrets belong together, and did its pods start after kms-secrets was made?',
    cause,
  );
}
