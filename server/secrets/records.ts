import { createHash } from 'node:crypto';
import type { ProjectRecord } from '../access/access.ts';
import type { SecretRow } from './store.ts';

/**
 * The audit of a written secret. The hash of what is stored goes with it: who puts an old row back over a new one cannot
 * also make the audit agree, which adds a mac to it (audit/written.ts).
 */
export function recordWrite(
  action: 'create' | 'update' | 'delete',
  environment: string,
  row: Pick<SecretRow, 'id' | 'key' | 'path' | 'version' | 'sealedValue' | 'sealedComment'>,
  more: Readonly<Record<string, unknown>> = {},
): ProjectRecord {
  const sealedHash = hashOf(row.sealedValue);
  const commentHash = row.sealedComment === null ? null : hashOf(row.sealedComment);
  return {
    action,
    event: `${action}-secret`,
    environment,
    secretPath: row.path,
    secretKey: row.key,
    metadata: { secretId: row.id, version: row.version, sealedHash, commentHash, ...more },
  };
}

const hashOf = (sealed: Buffer) => createHash('sha256').update(sealed).digest('hex');
