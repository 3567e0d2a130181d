import { createHmac, type KeyObject } from 'node:crypto';
import { type AuditKeys, frame, sameMac } from '../../keys/index.ts';
import type { AuditRecord } from './store.ts';

/** Where secrets lie, each under an id of its own: those of everybody, and people's own values in place of them. */
export const WRITTEN_TABLES = ['secrets', 'personal_secrets'] as const;
export type WrittenTable = (typeof WRITTEN_TABLES)[number];

/** A written secret, as its audit record states it. */
export interface WrittenSecret {
  readonly secretId: string;
  readonly version: number;
  readonly deleted: boolean;
  /** SHA-256 of the sealed value and comment, in hex. */
  readonly sealedHash: string;
  readonly commentHash: string | null;
}

/** The mac of a written secret: an old row that was put back needs a newer record, and nobody without the key makes one. */
export function writtenMac(key: KeyObject, written: WrittenSecret): string {
  const { secretId, version, deleted, sealedHash, commentHash } = written;
  const framed = frame([
    'hanzo-kms/v1/written-secret',
    secretId,
    version,
    deleted ? 'deleted' : 'written',
    sealedHash,
    commentHash ?? '',
  ]);
  return createHmac('sha256', key).update(framed).digest('base64url');
}

/** Whether one of these keys made the mac of a written secret. */
export const isWrittenBy = (keys: readonly AuditKeys[], written: WrittenSecret, mac: string): boolean =>
  keys.some(({ attesting }) => sameMac(Buffer.from(writtenMac(attesting, written)), Buffer.from(mac)));

/** A record of a written secret, with its mac; any other as it is. */
export function withWrittenMac(key: KeyObject, record: AuditRecord): AuditRecord {
  const { secretId, version, sealedHash, commentHash } = record.metadata ?? {};
  if (typeof secretId !== 'string' || typeof version !== 'number' || typeof sealedHash !== 'string') return record;
  const deleted = record.action === 'delete';
  const comment = typeof commentHash === 'string' ? commentHash : null;
  const mac = writtenMac(key, { secretId, version, deleted, sealedHash, commentHash: comment });
  return { ...record, metadata: { ...record.metadata, mac } };
}
