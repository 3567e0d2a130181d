import type { Db, Statement } from '../database/database.ts';

/** What a running server says of itself. Fingerprints and ids, never a key. */
export interface Report {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly rootFingerprints: readonly string[];
  readonly authKeyIds: readonly string[];
  readonly configKeyVersion: number;
  /** Nothing of a server before this was reported. */
  readonly auditKeyVersion: number | null;
  readonly subscribers: number;
}

/** After this time without a word a replica counts as gone, in seconds. */
const GONE_AFTER_SECONDS = 30;

const REPORT: Statement = {
  name: 'replicas.report',
  text: `
    with swept as (delete from replicas where seen_at < now() - interval '10 minutes' and id <> $1)
    insert into replicas (id, name, version, root_fingerprints, auth_key_ids, config_key_version, subscribers, audit_key_version)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (id) do update
       set root_fingerprints = excluded.root_fingerprints, auth_key_ids = excluded.auth_key_ids,
           config_key_version = excluded.config_key_version, subscribers = excluded.subscribers,
           audit_key_version = excluded.audit_key_version, seen_at = now()`,
};

export async function report(db: Db, said: Report): Promise<void> {
  const { id, name, version, rootFingerprints, authKeyIds, configKeyVersion, auditKeyVersion, subscribers } = said;
  await db.query(REPORT, [
    ...[id, name, version, rootFingerprints, authKeyIds, configKeyVersion, subscribers],
    auditKeyVersion,
  ]);
}

export interface LiveReplica extends Report {
  readonly secondsAgo: number;
}

const LIVE: Statement = {
  name: 'replicas.live',
  text: `
    select id, name, version, root_fingerprints as "rootFingerprints", auth_key_ids as "authKeyIds",
           config_key_version as "configKeyVersion", audit_key_version as "auditKeyVersion", subscribers, extract(epoch from now() - seen_at)::float8 as "secondsAgo"
      from replicas where seen_at > now() - $1::int * interval '1 second' order by name, id`,
};

/** Who has reported of late. */
export async function liveReplicas(db: Db): Promise<LiveReplica[]> {
  return db.query<LiveReplica>(LIVE, [GONE_AFTER_SECONDS]);
}

const LEAVE: Statement = { name: 'replicas.leave', text: 'delete from replicas where id = $1' };

export async function leave(db: Db, id: string): Promise<void> {
  await db.query(LEAVE, [id]);
}
