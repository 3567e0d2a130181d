import type { AttachUniversalAuthBody } from '../../contracts/index.ts';
import type { UniversalAuthWrite } from './store.ts';

/** Settings as they are stored: networks without the words around them. */
export function toWrite(given: AttachUniversalAuthBody): UniversalAuthWrite {
  return {
    ...given,
    clientSecretTrustedIps: addressesOf(given.clientSecretTrustedIps),
    accessTokenTrustedIps: addressesOf(given.accessTokenTrustedIps),
  };
}

type Addresses = AttachUniversalAuthBody['clientSecretTrustedIps'];

/** The networks of a list; nothing where no list was given. */
export function addressesOf(given: Addresses): string[];
export function addressesOf(given: Addresses | undefined): string[] | undefined;
export function addressesOf(given: Addresses | undefined): string[] | undefined {
  return given?.map(({ ipAddress }) => ipAddress);
}
