import { clientSecretMac } from '../../keys/index.ts';
import { ATTESTED } from '../audit/attested.ts';
import { inForce, trustedKeys } from '../audit/handover.ts';
import { faultOfGrant } from '../audit/verify/claims.ts';
import { grantsOf } from '../audit/verify/store.ts';
import type { Db } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { findByMac } from './login-store.ts';

const CLIENT_SECRETS = ATTESTED.find(({ name }) => name === 'client_secrets')!;

/** A client secret that a former key recognizes. */
export interface Recognized {
  readonly id: string;
  readonly mac: Buffer;
  /**
   * Whether the server vouches for its row. A former key was seen by others: whoever has it and writes the database can put in a
   * row for a secret of their own, and that has no attestation by a key that counts.
   */
  readonly isAttested: boolean;
}

/** Looks for a client secret from before the key of MACs was replaced. One statement for each former key. */
export async function recognizeByFormerKeys(
  db: Db,
  keyring: Keyring,
  clientId: string,
  clientSecret: string,
): Promise<Recognized | undefined> {
  for (const key of keyring.formerClientSecretMacKeys) {
    const mac = clientSecretMac(key, clientSecret);
    const id = await findByMac(db, clientId, mac);
    if (id === undefined) continue;
    const keys = inForce(keyring.auditKeys, await trustedKeys(db, keyring));
    const [row] = await grantsOf(db, CLIENT_SECRETS, [id]);
    return { id, mac, isAttested: row !== undefined && faultOfGrant(keys, CLIENT_SECRETS, row) === undefined };
  }
  return undefined;
}
