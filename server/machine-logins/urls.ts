import { X509Certificate } from 'node:crypto';
import { OutboundFailure } from '../outbound/failure.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { badRequest, invalid, unavailable } from '../refusal.ts';

/** Refuses a URL that would not be called, when it is configured and not at the first login. */
export function checkUrl(outbound: Outbound, field: string, url: string): void {
  try {
    outbound.check(url);
  } catch (error) {
    if (error instanceof OutboundFailure) throw invalid([field], error.message);
    throw error;
  }
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Refuses what is no list of certificates in PEM. An empty text stands for the public CAs. */
export function checkCa(pem: string): void {
  if (pem === '') return;
  try {
    const found = pem.match(CERTIFICATE) ?? [];
    for (const certificate of found) new X509Certificate(certificate);
    if (found.length > 0 && pem.replace(CERTIFICATE, '').trim() === '') return;
  } catch {
    // OpenSSL's own words help nobody here.
  }
  throw invalid(['caCert'], 'not a list of certificates in PEM');
}

/** A call to another server that failed, as the caller is told: what was set up is wrong, or the other does not answer now. */
export function unreachable(error: unknown): never {
  if (!(error instanceof OutboundFailure)) throw error;
  if (error.reason === 'not-allowed' || error.reason === 'bad-url') throw badRequest(error.message);
  throw unavailable(error.message, error);
}
