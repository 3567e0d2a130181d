import { claimsOf } from '../../sdk/claims.ts';
import { jsonOf, number, object, optional, readerOf, text } from '../../sdk/shape.ts';
import { UserError } from '../problem.ts';
import { type Login, loginsFile, readLogins, writeLogins } from './logins.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What a login is made of that nobody else may have. */
export interface Tokens {
  readonly token: string;
  readonly refresh?: string | undefined;
}
const TokensText = readerOf<Tokens>(object({ token: text, refresh: optional(text) }));

/** Where tokens are kept. */
export const STORES = ['keychain', 'file'] as const;
export type Store = (typeof STORES)[number];

/**
 * Keeps a login, in place of an earlier one at the address.
 *
 * @param store undefined: the keychain where there is one, and the file otherwise
 * @returns where it is
 * @throws UserError when it is to be the keychain, and there is none
 */
export async function keepLogin(
  environment: Environment,
  address: string,
  login: Omit<Login, 'token' | 'refresh' | 'store'>,
  { token, refresh }: Tokens,
  store: Store | undefined,
): Promise<Store> {
  const file = loginsFile(environment);
  const tokens: Tokens = { token, ...(refresh === undefined ? {} : { refresh }) };
  const { keychain } = await import('./keychain.ts');
  const isThere = store !== 'file' && (await keychain.keep(address, JSON.stringify(tokens)));
  if (store === 'keychain' && !isThere)
    throw new UserError(
      'the keychain of this system cannot be used',
      process.platform === 'darwin'
        ? 'use --store file'
        : 'is secret-tool (libsecret) there, and a keyring unlocked? --store file does without',
    );
  const { logins } = await readLogins(file);
  const kept: Login = isThere ? { ...login, store: 'keychain' } : { ...login, ...tokens };
  await writeLogins(file, { current: address, logins: { ...logins, [address]: kept } });
  return isThere ? 'keychain' : 'file';
}

/** A login's tokens. @throws UserError when the keychain has them no more */
export async function tokensOf(address: string, login: Login): Promise<Tokens> {
  if (login.store !== 'keychain') return { token: login.token ?? '', refresh: login.refresh };
  const { keychain } = await import('./keychain.ts');
  const found = TokensText.safeParse(jsonOf((await keychain.find(address)) ?? ''));
  if (found.success) return found.data;
  throw new UserError(
    `the keychain has no login for ${address}, or is locked`,
    `unlock it, or log in again: kms login --url ${address}`,
  );
}

/** Tokens that took the place of others, kept where those were. */
export async function replaceTokens(
  environment: Environment,
  address: string,
  login: Login,
  tokens: Tokens,
): Promise<void> {
  const { email, organization, store } = login;
  await keepLogin(environment, address, { email, organization, at: new Date().toISOString() }, tokens, store ?? 'file');
}

/** Forgets a login. */
export async function forgetLogin(environment: Environment, address: string): Promise<void> {
  const file = loginsFile(environment);
  const { current, logins } = await readLogins(file);
  const { [address]: forgotten, ...others } = logins;
  if (forgotten?.store === 'keychain') await (await import('./keychain.ts')).keychain.forget(address);
  await writeLogins(file, { ...(current === address ? {} : { current }), logins: others });
}

/**
 * How much of a token's life is left, from 1 to below 0, as it says itself of how long it lives and the file of when it was obtained: clocks
 * of servers may differ. 1 for one that says nothing.
 */
export function leftOf(token: string, login: Login, now = Date.now()): number {
  const claims = Claims.safeParse(claimsOf(token));
  if (!claims.success || claims.data.exp <= claims.data.iat) return 1;
  return 1 - (now - Date.parse(login.at)) / 1000 / (claims.data.exp - claims.data.iat);
}
const Claims = readerOf<{ readonly iat: number; readonly exp: number }>(object({ iat: number, exp: number }));

/** From this share of a token's life on it is renewed. */
const RENEWED_BELOW = 0.5;

/** Whether a login's token should be replaced. */
export const isOld = (left: number) => left < RENEWED_BELOW;
