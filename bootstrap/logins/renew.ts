import { open, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { KmsRefusal } from '../../sdk/errors.ts';
import { object, optional, readerOf, text } from '../../sdk/shape.ts';
import { Transport } from '../../sdk/transport.ts';
import { UserError } from '../problem.ts';
import { cookieJar } from './cookie.ts';
import { loginsFile, readLogins } from './logins.ts';
import { isOld, leftOf, replaceTokens, type Tokens, tokensOf } from './tokens.ts';

const RefreshAnswer = readerOf<{ readonly token: string; readonly organizationId?: string }>(
  object({ token: text, organizationId: optional(text) }),
);

/**
 * Goes on with a login's session. One program at a time: a refresh token is replaced by each use, and one that comes twice ends the session.
 *
 * @returns the tokens to go on with; the old ones where KMS cannot be asked now and they are still good
 * @throws UserError when the session has ended
 */
export async function renewed(
  environment: Readonly<Record<string, string | undefined>>,
  address: string,
): Promise<Tokens> {
  const release = await lock(`${loginsFile(environment)}.lock`);
  try {
    // Another program may have done it meanwhile.
    const login = (await readLogins(loginsFile(environment))).logins[address];
    if (!login) throw ended(address);
    const old = await tokensOf(address, login);
    const left = leftOf(old.token, login);
    if (!isOld(left)) return old;
    if (old.refresh === undefined) {
      if (left > 0) return old;
      throw ended(address);
    }
    const jar = cookieJar(old.refresh);
    try {
      const transport = new Transport({ url: address, userAgent: 'kms-cli', retries: 1, fetch: jar.fetch });
      const call = { method: 'POST', path: '/api/v1/auth/token', answer: RefreshAnswer } as const;
      const { answer } = await transport.send(call);
      if (!answer?.organizationId)
        throw new UserError(
          `your login at ${address} no longer reaches the organization ${login.organization}`,
          `log in again: kms login --url ${address}`,
        );
      const tokens = { token: answer.token, refresh: jar.refresh() };
      await replaceTokens(environment, address, login, tokens);
      return tokens;
    } catch (error) {
      if (error instanceof UserError) throw error;
      if (error instanceof KmsRefusal && error.status === 401) throw ended(address);
      if (left > 0) return old;
      throw error;
    }
  } finally {
    await release();
  }
}

const ended = (address: string) =>
  new UserError(`your login at ${address} has ended`, `log in again: kms login --url ${address}`);

/** A program that was killed leaves its lock behind; none works this long. */
const LOCK_MS = 20_000;

async function lock(file: string): Promise<() => Promise<void>> {
  for (;;) {
    const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return undefined;
      throw error;
    });
    if (handle) {
      await handle.close();
      return () => rm(file, { force: true });
    }
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > LOCK_MS) await rm(file, { force: true });
    else await sleep(50);
  }
}
