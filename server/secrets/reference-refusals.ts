import { MAX_VALUE_BYTES } from '../../contracts/index.ts';
import { badRequest } from '../refusal.ts';
import { type Found, spotOf } from './found.ts';
import { MAX_DEPTH } from './linked-store.ts';
import type { Spot } from './visibility.ts';

// Why a reference cannot be followed. Each names the whole way, since the secret at fault may be far from the one that was read.

/** A reference to what the caller may not read. Told apart from other refusals, since the audit has to hear of it. */
export class ReferenceDenied extends Error {
  readonly spot: Spot;
  readonly told: string;

  constructor(told: string, spot: Spot) {
    super('a reference leads to what the caller may not read');
    this.told = told;
    this.spot = spot;
  }
}

/** It leads to what the caller may not read. */
export const denied = (secret: Found, piece: { readonly text: string }, spot: Spot) =>
  new ReferenceDenied(`secret ${placed(secret)} refers to ${piece.text}`, spot);

/** The tree of a secret whose name alone the caller may know. */
export const partOfValue = (secret: Found) =>
  new ReferenceDenied(`what secret ${placed(secret)} refers to is part of its value`, spotOf(secret));

const placed = ({ row, at }: Found) => `"${row.key}" (environment "${at.environment}", path "${at.path}")`;
const told = (chain: readonly Found[]) =>
  chain.map(({ row, at }) => `${at.environment}:${at.path === '/' ? '' : at.path}/${row.key}`);

/** It leads back to where it began. @param chain from the secret that was asked for, the last one being in it twice */
export function cycle(chain: readonly Found[]) {
  const last = chain.at(-1)!;
  const names = told(chain.slice(chain.findIndex(({ row }) => row.id === last.row.id)));
  return badRequest(`these secrets refer to each other in a circle: ${names.join(' -> ')}; take one reference out`, {
    cycle: names,
  });
}

/** It leads on and on. @param chain from the secret that was asked for */
export const tooDeep = (chain: readonly Found[]) =>
  badRequest(`references are followed ${MAX_DEPTH} deep, and these go further: ${told(chain).join(' -> ')}`);

/** What it leads to is too much for one value. */
export const tooLong = (secret: Found) =>
  badRequest(`secret ${placed(secret)} would have more than ${MAX_VALUE_BYTES} characters with its references put in`);

/** It leads nowhere, in a project that wants to be told. */
export const unresolved = (secret: Found, reference: string) =>
  badRequest(
    `secret ${placed(secret)} refers to ${reference}, which is not there; write the key that is meant, read with ` +
      'expandSecretReferences=false, or set unresolvedReferences of the project to "keep"',
    { secretKey: secret.row.key, environment: secret.at.environment, secretPath: secret.at.path, reference },
  );
