import { createHash, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { IssuerKeys, type IssuerKeysOptions } from '../../../server/oidc-auth/issuer-keys.ts';
import { Outbound } from '../../../server/outbound/outbound.ts';
import { NotBelieved, Providers } from '../../../server/sso/provider.ts';
import type { ProviderRow } from '../../../server/sso/store.ts';
import { TestProvider } from './provider.ts';

/** A provider of single sign-on changes its keys: what follows it, what it dropped, and who makes fetches. */

const REDIRECT = 'https://kms.example.com/api/v1/sso/oidc/callback';
let provider: TestProvider;
let outbound: Outbound;
beforeEach(async () => {
  provider = await new TestProvider(REDIRECT).start();
  outbound = new Outbound({ allow: ['http://127.0.0.1'] });
});
afterEach(async () => {
  outbound.close();
  await provider.close();
});

const providers = (options: IssuerKeysOptions = {}) => new Providers(outbound, new IssuerKeys(outbound, options));

/** Logs in once: whose account the provider says it is, or why it is not believed. */
async function logIn(by: Providers): Promise<string> {
  const { discoveryUrl, clientId, clientSecret } = provider;
  const row = {
    ...{ configurationType: 'discoveryURL', discoveryUrl, issuer: null, clientId, signatureAlgorithm: 'RS256' },
    ...{ groupsClaim: 'groups', groupRoles: [], manageGroupMemberships: false },
  } as unknown as ProviderRow;
  const [verifier, nonce] = [randomUUID(), randomUUID()];
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const asked = new URLSearchParams({
    ...{ response_type: 'code', client_id: clientId, redirect_uri: REDIRECT, state: 'a' },
    ...{ code_challenge_method: 'S256', code_challenge: challenge, nonce },
  });
  const back = provider.authorize(`https://x/?${asked}`, { sub: 'ada', email: 'ada@hanzo.ai' });
  const code = back.searchParams.get('code')!;
  try {
    const endpoints = await by.endpoints(row);
    return (await by.redeem(row, endpoints, { code, verifier, nonce, redirectUri: REDIRECT, clientSecret })).subject;
  } catch (error) {
    if (error instanceof NotBelieved) return error.message;
    throw error;
  }
}

const NO_KEY = 'the token is signed by no key of the provider';

test('a key that the provider changed to is fetched when a token names it', async () => {
  const by = providers({ againMs: 0 });
  expect(await logIn(by)).toBe('ada');
  expect(await logIn(by)).toBe('ada');
  expect(provider.keyFetches).toBe(1);
  await provider.rotate('second');
  expect(await logIn(by)).toBe('ada');
  expect(provider.keyFetches).toBe(2);
});

test('a key that the provider dropped is refused once its keys were fetched again', async () => {
  const by = providers({ freshMs: 0, againMs: 0 });
  const former = provider.keysOf('key');
  await provider.rotate('second');
  provider.signWith('key');
  expect(await logIn(by)).toBe('ada');
  provider.forget('key');
  provider.signWith('key', former);
  expect(await logIn(by)).toBe(NO_KEY);
});

test('tokens of unknown keys make one fetch in a while, however many come', async () => {
  const by = providers();
  expect(await logIn(by)).toBe('ada');
  const former = provider.keysOf('key');
  for (let n = 0; n < 10; n++) {
    provider.signWith(`made-up-${n}`, former);
    expect(await logIn(by)).toBe(NO_KEY);
  }
  expect(provider.keyFetches).toBe(1);
});
