import { expect, test } from 'vitest';
import { checkProof, makeProof, type ProvenRequest, parseAuthSecret } from '../../keys/index.ts';
import vectors from './vectors/proofs.json' with { type: 'json' };

const secret = parseAuthSecret('F4tJtC5o7Yz0qk3sWm1rXv9uBn8eLd2hGa6pQi_TRcE');
const request: ProvenRequest = { method: 'POST', path: '/api/v1/admin/bootstrap', body: '{"email":"z@hanzo.ai"}' };
const made = new Date('2026-01-15T12:00:00Z');
const proof = makeProof(secret, request, made);
const at = (seconds: number) => ({ now: new Date(made.getTime() + seconds * 1000), maxAgeSeconds: 300 });

test.each(vectors)('the known proof for $request.method $request.path holds', (vector) => {
  const time = new Date(vector.time * 1000);
  const known = parseAuthSecret(vector.authSecret);
  expect(checkProof(known, vector.proof, vector.request, { now: time, maxAgeSeconds: 300 })).toEqual({
    ok: true,
    nonce: vector.nonce,
    time,
  });
});

test('a proof holds for its request, within its time', () => {
  const nonce = proof.split('.')[2];
  for (const seconds of [-60, 0, 300]) {
    expect(checkProof(secret, proof, request, at(seconds))).toEqual({ ok: true, nonce, time: made });
  }
  const sameRequest = { ...request, method: 'post', body: Buffer.from(request.body) };
  expect(checkProof(secret, proof, sameRequest, at(0)).ok).toBe(true);
});

test('a replayed proof shows the nonce it had', () => {
  const nonces = [proof, proof, makeProof(secret, request, made)].map((each) => {
    const result = checkProof(secret, each, request, at(1));
    return result.ok && result.nonce;
  });
  expect(nonces[1]).toBe(nonces[0]);
  expect(nonces[2]).not.toBe(nonces[0]);
});

test.each<{ name: string; of: Partial<ProvenRequest> }>([
  { name: 'another method', of: { method: 'PUT' } },
  { name: 'another path', of: { path: '/api/v1/admin/recovery-session' } },
  { name: 'another query', of: { path: `${request.path}?force=true` } },
  { name: 'another body', of: { body: '{"email":"y@hanzo.ai"}' } },
  { name: 'no body', of: { body: '' } },
  { name: 'a character moved from method to path', of: { method: 'POS', path: `T${request.path}` } },
  { name: 'a character moved from path to method', of: { method: 'POST/', path: request.path.slice(1) } },
])('a proof does not hold for $name', ({ of }) => {
  expect(checkProof(secret, proof, { ...request, ...of }, at(0))).toEqual({ ok: false, reason: 'mac' });
});

test.each([
  { name: 'old after five minutes', seconds: 301, reason: 'old' },
  { name: 'old after a year', seconds: 31_536_000, reason: 'old' },
  { name: 'refused two minutes before its time', seconds: -120, reason: 'future' },
  { name: 'refused by a clock without time', seconds: Number.NaN, reason: 'old' },
])('a proof is $name', ({ seconds, reason }) => {
  expect(checkProof(secret, proof, request, at(seconds))).toEqual({ ok: false, reason });
});

test('a proof made with another AUTH_SECRET fails', () => {
  const other = parseAuthSecret('F4tJtC5o7Yz0qk3sWm1rXv9uBn8eLd2hGa6pQi_TRcF');
  expect(checkProof(other, proof, request, at(0))).toEqual({ ok: false, reason: 'mac' });
});

test('a proof with any character changed fails', () => {
  for (let i = 0; i < proof.length; i++) {
    for (const character of ['A', 'B', '0', '1', '.', '-', '=', ' ']) {
      if (proof[i] === character) continue;
      const changed = proof.slice(0, i) + character + proof.slice(i + 1);
      expect(checkProof(secret, changed, request, at(0)).ok, changed).toBe(false);
    }
    expect(checkProof(secret, proof.slice(0, i), request, at(0)).ok).toBe(false);
  }
});

const [, time, nonce, mac] = proof.split('.') as [string, string, string, string];
test.each([
  { what: 'nothing', text: '' },
  { what: 'another version', text: `v2.${time}.${nonce}.${mac}` },
  { what: 'a padded time', text: `v1.0${time}.${nonce}.${mac}` },
  { what: 'a negative time', text: `v1.-${time}.${nonce}.${mac}` },
  { what: 'a time in exponents', text: `v1.1e9.${nonce}.${mac}` },
  { what: 'a second spelling of the nonce', text: `v1.${time}.${otherSpelling(nonce)}.${mac}` },
  { what: 'a second spelling of the MAC', text: `v1.${time}.${nonce}.${otherSpelling(mac)}` },
  { what: 'a MAC with padding', text: `${proof}=` },
  { what: 'a line end', text: `${proof}\n` },
  { what: 'a fifth part', text: `${proof}.x` },
  { what: 'a megabyte', text: 'v1.'.repeat(350_000) },
])('a proof of $what is malformed', ({ text }) => {
  expect(checkProof(secret, text, request, at(0))).toEqual({ ok: false, reason: 'malformed' });
});

/** The same bytes, as Node would decode them, with a bit set that stands for nothing. */
function otherSpelling(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const other = text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1)!) + 1];
  expect(Buffer.from(other, 'base64url')).toEqual(Buffer.from(text, 'base64url'));
  return other;
}
