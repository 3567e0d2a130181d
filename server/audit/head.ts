import { createHash } from 'node:crypto';
import { type AuditKeys, type AuditPublicKey, frame, isSignedBy, publicKeyBytes, signHead } from '../../keys/index.ts';
import type { BatchRow } from './seal-store.ts';

/** The rows of one table or partition within a batch. */
export interface Part {
  readonly name: string;
  readonly rows: number;
  /** Root of their Merkle tree. */
  readonly root: Buffer;
}

/** What is signed of a batch: which rows it seals, and which batch came before. */
export interface Head {
  readonly instanceId: string;
  /** From 1, without gaps. */
  readonly number: number;
  /** `checkpoint`: seals no rows, and says in its note which sealed rows may be gone from now on. */
  readonly kind: 'rows' | 'checkpoint';
  /** The transactions whose rows it seals: all of `first` and later, before `until`. Decimal text. */
  readonly first: string;
  readonly until: string;
  readonly sealedAt: Date;
  /** The process that sealed. */
  readonly replica: string;
  readonly parts: readonly Part[];
  readonly note: string | null;
  readonly keyVersion: number;
  readonly keyFingerprint: string;
  /** Hash of the head before; nothing before the first. */
  readonly previous: Buffer;
}

export interface SignedHead extends Head {
  readonly hash: Buffer;
  readonly signature: Buffer;
}

function bytesOf(head: Head): Buffer {
  return frame([
    'hanzo-kms/v1/audit-head',
    head.instanceId,
    head.number,
    head.kind,
    head.first,
    head.until,
    head.sealedAt.toISOString(),
    head.replica,
    head.note ?? '',
    head.keyVersion,
    head.keyFingerprint,
    head.previous,
    head.parts.length,
    ...head.parts.flatMap(({ name, rows, root }) => [name, rows, root]),
  ]);
}

const hashOf = (head: Head): Buffer => createHash('sha256').update(bytesOf(head)).digest();

export function signedHead(keys: AuditKeys, head: Head): SignedHead {
  return { ...head, hash: hashOf(head), signature: signHead(keys, bytesOf(head)) };
}

export const isIntact = (key: AuditPublicKey, head: SignedHead): boolean =>
  hashOf(head).equals(head.hash) && isSignedBy(key, bytesOf(head), head.signature);

/** A head as a line for a sink: nothing of it is secret, and the signature can be checked by whoever has the public key. */
export function exported(head: SignedHead, key: AuditPublicKey): string {
  return JSON.stringify({
    kmsAuditHead: 1,
    instanceId: head.instanceId,
    number: head.number,
    kind: head.kind,
    first: head.first,
    until: head.until,
    sealedAt: head.sealedAt.toISOString(),
    replica: head.replica,
    parts: head.parts.map(({ name, rows, root }) => [name, rows, root.toString('hex')]),
    note: head.note,
    keyVersion: head.keyVersion,
    keyFingerprint: head.keyFingerprint,
    publicKey: publicKeyBytes(key).toString('base64'),
    previous: head.previous.toString('hex'),
    hash: head.hash.toString('hex'),
    signature: head.signature.toString('base64'),
  });
}

/** A stored batch as the head that was signed. */
export function asHead(row: BatchRow, instanceId: string, key: Pick<AuditPublicKey, 'fingerprint'>): SignedHead {
  const { names, counts, roots, hints: _hints, ...head } = row;
  const parts = names.map((name, n) => ({ name, rows: counts[n] ?? -1, root: roots[n] ?? Buffer.alloc(0) }));
  return { ...head, instanceId, keyFingerprint: key.fingerprint, parts };
}
