import type { Audit } from '../audit/audit.ts';
import type { AuditRecord } from '../audit/store.ts';
import type { Database } from '../database/database.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { type LiveReplica, liveReplicas } from '../replicas/store.ts';

/** A rotation cannot go on, or is not complete; the message says why and what to do. */
export class RotationStopped extends Error {
  override readonly name = 'RotationStopped';
}

/** What every rotation works with. */
export interface Rotation {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly audit: Audit;
  /** Tells people how far it is. */
  readonly say: (line: string) => void;
}

/** The record of what a command on the server did: nobody logged in, so the host is all there is to name. */
export function recordOf(record: Pick<AuditRecord, 'event'> & Partial<AuditRecord>): AuditRecord {
  return {
    action: 'update',
    outcome: 'allowed',
    actor: { kind: 'operator', name: 'kms-server keys' },
    origin: { ip: '127.0.0.1', userAgent: 'kms-server keys', requestId: `keys-${process.pid}` },
    ...record,
  };
}

/** @throws RotationStopped, naming each replica that lacks what is needed */
export async function requireOfReplicas(
  db: Database,
  holds: (replica: LiveReplica) => boolean,
  lacking: string,
): Promise<LiveReplica[]> {
  const replicas = await liveReplicas(db);
  const without = replicas.filter((replica) => !holds(replica));
  if (without.length === 0) return replicas;
  throw new RotationStopped(
    `${without.map(({ name }) => name).join(', ')} ${without.length === 1 ? 'does' : 'do'} not ${lacking}; nothing was changed`,
  );
}
