import { type AuditKeys, sameMac } from '../../../keys/index.ts';
import type { AttestedTable } from '../attested.ts';
import { attestationMac } from '../attestor.ts';
import { isWrittenBy, type WrittenSecret, type WrittenTable } from '../written.ts';
import type { FindingKind } from './findings.ts';
import type { LiveGrant, LiveSecret } from './store.ts';

/** What is wrong with something, in a kind and words; nothing when it is as it should be. */
export type Fault = readonly [FindingKind, string] | undefined;

/** The version of the key that made the newest attestation of a row; nothing when none of these did. */
export function attestingVersion(keys: readonly AuditKeys[], table: string, grant: LiveGrant): number | undefined {
  const { rowId, n, xid, columns, digest, mac } = grant;
  if (n === null || mac === null) return undefined;
  const attestation = { n, xid, tab: table, rowId, columns, digest };
  return keys.find(({ attesting }) => sameMac(mac, attestationMac(attesting, attestation)))?.version;
}

/** Compares a live row that grants something with what the server attested of it last. */
export function faultOfGrant(
  keys: readonly AuditKeys[],
  { name: table, since }: AttestedTable,
  grant: LiveGrant,
): Fault {
  const { n, xid, digest, live } = grant;
  if (n === null && since === 'change') return undefined;
  if (n === null) return ['grant-unattested', 'was made by nobody: the audit has no attestation of it'];
  if (attestingVersion(keys, table, grant) === undefined) {
    return ['grant-unattested', `was changed past the server, in transaction ${xid}`];
  }
  if (digest === null) return ['grant-put-back', `was deleted in transaction ${xid}, and somebody put it back`];
  if (live === null || !live.equals(digest)) {
    return ['grant-changed', `is not what the server made of it in transaction ${xid}`];
  }
  return undefined;
}

/** Compares a live secret with the newest record of its writing. */
export function faultOfSecret(keys: readonly AuditKeys[], table: WrittenTable, secret: LiveSecret): Fault {
  const written = statedOf(table, secret);
  if (written === undefined) return ['secret-unrecorded', 'was written by nobody: the audit has no record of it'];
  if (writingVersion(keys, written) === undefined) {
    return ['secret-unrecorded', 'has a record that this server did not write'];
  }
  if (written.deleted) return ['secret-put-back', 'was deleted, and somebody put it back'];
  if (written.version !== secret.version) {
    const { version } = written;
    return ['secret-put-back', `is at version ${secret.version}, and its newest record is of version ${version}`];
  }
  if (written.sealedHash !== secret.sealedHash) return ['secret-changed', 'has another value than was written last'];
  if (written.commentHash !== secret.commentHash) {
    return ['secret-changed', 'has another comment than was written last'];
  }
  return undefined;
}

/** The newest statement about a secret, and whether a key made it. */
export interface Stated extends WrittenSecret {
  readonly isBy: (key: AuditKeys) => boolean;
}

/** The version of the key that made a statement about a secret; nothing when none of these did. */
export const writingVersion = (keys: readonly AuditKeys[], { isBy }: Stated): number | undefined =>
  keys.find(isBy)?.version;

/** The newest statement about a secret: of its record, or, after that was dropped, of what was kept of it. */
export function statedOf(table: WrittenTable, secret: LiveSecret): Stated | undefined {
  const { metadata, keptN, keptXid, keptColumns, keptMac } = secret;
  if (metadata !== null) {
    const { version, sealedHash, mac } = metadata as { version: number; sealedHash: string; mac: string };
    const commentHash = typeof metadata.commentHash === 'string' ? metadata.commentHash : null;
    const stated = { secretId: secret.id, version, deleted: secret.action === 'delete', sealedHash, commentHash };
    const whole = Number.isSafeInteger(version) && [sealedHash, mac].every((part) => typeof part === 'string');
    return { ...stated, isBy: (key) => whole && isWrittenBy([key], stated, mac) };
  }
  if (keptN === null || keptColumns === null) return undefined;
  const [version, sealedHash = '', commentHash = ''] = keptColumns;
  const attestation = {
    n: keptN,
    xid: keptXid!,
    tab: table,
    rowId: secret.id,
    columns: keptColumns,
    digest: secret.keptDigest,
  };
  return {
    secretId: secret.id,
    version: Number(version),
    deleted: false,
    sealedHash,
    commentHash: commentHash === '' ? null : commentHash,
    isBy: ({ attesting }) => keptMac !== null && sameMac(keptMac, attestationMac(attesting, attestation)),
  };
}
