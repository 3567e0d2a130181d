import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LoginRefused } from '../../../server/machine-logins/service.ts';
import { IssuerKeys, type IssuerKeysOptions } from '../../../server/oidc-auth/issuer-keys.ts';
import { verifyForeign } from '../../../server/oidc-auth/verify.ts';
import { OutboundFailure } from '../../../server/outbound/failure.ts';
import { Outbound } from '../../../server/outbound/outbound.ts';
import { OpenIdProvider } from '../../support/openid-provider.ts';
import { Issuer } from './issuer.ts';

/** When an issuer's keys are fetched, and when not: strangers choose which key a token names. */

let issuer: Issuer;
let outbound: Outbound;
beforeEach(async () => {
  issuer = await Issuer.start();
  outbound = new Outbound({ allow: ['127.0.0.1'] });
});
afterEach(async () => {
  outbound.close();
  await issuer.close();
});

const keys = (options: IssuerKeysOptions) => new IssuerKeys(outbound, options);
const verify = (by: IssuerKeys, token: string) =>
  verifyForeign(by, { discoveryUrl: issuer.url, caCert: issuer.ca, boundIssuer: issuer.url }, token).then(
    () => 'good',
    (error) => (error instanceof LoginRefused || error instanceof OutboundFailure ? error.reason : error),
  );

test('a key that the issuer changed to is fetched when a token names it', async () => {
  const by = keys({ againMs: 0 });
  expect(await verify(by, await issuer.token())).toBe('good');
  issuer.rotate('second', 'ec');
  expect(await verify(by, await issuer.token())).toBe('good');
  expect(issuer.fetches()).toBe(2);
});

test('a key that the issuer dropped is no longer believed once its keys were fetched again', async () => {
  const by = keys({ freshMs: 0 });
  const old = await issuer.token();
  issuer.rotate('second');
  expect(await verify(by, old)).toBe('good');
  issuer.forget('first');
  expect(await verify(by, old)).toBe('key');
});

test('a certified provider that changes its keys is followed, and one that it dropped is not believed', async () => {
  const real = await OpenIdProvider.start({ secure: true });
  const { issuer, ca } = real;
  const at = { discoveryUrl: issuer, caCert: ca, boundIssuer: issuer };
  const by = keys({ freshMs: 0 });
  const seen = (token: string) =>
    verifyForeign(by, at, token).then(
      () => 'good',
      ({ reason }) => reason,
    );
  try {
    const first = await real.workloadToken('urn:kms');
    expect(await seen(first)).toBe('good');
    real.rotate();
    expect([await seen(first), await seen(await real.workloadToken('urn:kms'))]).toEqual(['good', 'good']);
    real.rotate({ drop: true });
    expect([await seen(first), await seen(await real.workloadToken('urn:kms'))]).toEqual(['key', 'good']);
  } finally {
    await real.close();
  }
});

test('tokens with made-up key ids make no further fetches', async () => {
  const by = keys({});
  expect(await verify(by, await issuer.token())).toBe('good');
  issuer.rotate('unseen');
  const tokens = await Promise.all(Array.from({ length: 20 }, () => issuer.token()));
  expect(await Promise.all(tokens.map((token) => verify(by, token)))).toEqual(Array(20).fill('key'));
  expect(issuer.fetches()).toBe(1);
});

test('many that wait for the keys make one fetch', async () => {
  const by = keys({});
  const token = await issuer.token();
  expect(await Promise.all(Array.from({ length: 20 }, () => verify(by, token)))).toEqual(Array(20).fill('good'));
  expect(issuer.fetches()).toBe(1);
});

test('an issuer that fails is not asked again at once, and its last keys serve meanwhile', async () => {
  const by = keys({ freshMs: 0 });
  const token = await issuer.token();
  issuer.broken = 500;
  expect([await verify(by, token), await verify(by, token)]).toEqual(['bad-answer', 'bad-answer']);
  expect(issuer.listener.seen).toHaveLength(1);
  issuer.broken = undefined;
  const other = keys({ freshMs: 0 });
  expect(await verify(other, token)).toBe('good');
  issuer.broken = 500;
  expect(await verify(other, token)).toBe('good');
});

test('symmetric and oversized keys of an issuer are left out', async () => {
  const secret = 'known to everybody who reads the keys';
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  issuer.extraKeys = [
    { kty: 'oct', kid: 'shared', k: Buffer.from(secret).toString('base64url') },
    { ...publicKey.export({ format: 'jwk' }), kid: 'huge', n: 'x'.repeat(20_000) },
  ];
  const by = keys({});
  expect(await verify(by, issuer.forged('HS256', secret, { kid: 'shared' }))).toBe('algorithm');
  expect(await verify(by, await issuer.token())).toBe('good');
});

test('a redirect to other keys is not followed', async () => {
  issuer.broken = 302;
  expect(await verify(keys({}), await issuer.token())).toBe('redirected');
});
