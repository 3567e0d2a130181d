import { createHash, createHmac, randomBytes } from 'node:crypto';
import { fromBase64url } from './base64.ts';
import { deriveFromAuthSecret } from './derive.ts';
import { frame } from './frame.ts';
import { sameMac } from './mac.ts';
import type { AuthSecret } from './secret.ts';

/** The request that a proof is for. `path` as it stands in the request line, query included. */
export interface ProvenRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string | Buffer;
}

/** What a proof shows. `ok` alone is not enough: the caller stores `nonce`, and refuses one that it has seen. */
type ProofResult =
  | { readonly ok: true; readonly nonce: string; readonly time: Date }
  | { readonly ok: false; readonly reason: 'malformed' | 'mac' | 'old' | 'future' };

const NONCE_BYTES = 16;
const FUTURE_SECONDS = 60;
const FORM = /^v1\.(0|[1-9][0-9]{0,11})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

/**
 * Proves that the sender of a request knows AUTH_SECRET without sending it (header `x-kms-proof`):
 * `v1.<Unix seconds>.<nonce>.<HMAC-SHA-256>`. It opens a fresh instance to whoever installed it and to nobody else:
 * the address that a request comes from proves nothing, because port-forwards and sidecars come from loopback too.
 */
export function makeProof(secret: AuthSecret, request: ProvenRequest, now = new Date()): string {
  const time = String(Math.floor(now.getTime() / 1000));
  const nonce = randomBytes(NONCE_BYTES).toString('base64url');
  return `v1.${time}.${nonce}.${proofMac(secret, request, time, nonce).toString('base64url')}`;
}

/**
 * Checks a proof against the request that came with it. Someone who watches one pass can use it for no other method,
 * path or body, and for `maxAgeSeconds` at most; within that time the nonce refuses it. The clock may be ahead of ours
 * by a minute, so a nonce is to be kept until `time` plus `maxAgeSeconds` by the same clock as `now`.
 */
export function checkProof(
  secret: AuthSecret,
  proof: string,
  request: ProvenRequest,
  { now, maxAgeSeconds }: { readonly now: Date; readonly maxAgeSeconds: number },
): ProofResult {
  const [, time, nonce, given] = FORM.exec(proof) ?? [];
  const givenMac = given && fromBase64url(given);
  if (!time || !nonce || !givenMac || !fromBase64url(nonce)) return { ok: false, reason: 'malformed' };
  if (!sameMac(proofMac(secret, request, time, nonce), givenMac)) return { ok: false, reason: 'mac' };
  const age = now.getTime() / 1000 - Number(time);
  // Written so that an invalid date, whose age is not a number, is refused as well.
  if (!(age <= maxAgeSeconds)) return { ok: false, reason: 'old' };
  if (age < -FUTURE_SECONDS) return { ok: false, reason: 'future' };
  return { ok: true, nonce, time: new Date(Number(time) * 1000) };
}

function proofMac(secret: AuthSecret, { method, path, body }: ProvenRequest, time: string, nonce: string): Buffer {
  const bodyHash = createHash('sha256').update(body).digest();
  return createHmac('sha256', deriveFromAuthSecret(secret, 'bootstrap-proof'))
    .update(frame(['hanzo-kms/v1/proof', method.toUpperCase(), path, bodyHash, time, nonce]))
    .digest();
}
