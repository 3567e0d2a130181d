import type { Db, Statement } from '../database/database.ts';

const LOCK_INSTANCE: Statement = {
  name: 'keyring.lock-instance',
  text: `
    select id, root_fingerprint as "rootFingerprint", root_check as "rootCheck",
           next_root_fingerprint as "nextRootFingerprint", next_root_check as "nextRootCheck"
      from instance for update`,
};

export interface InstanceRow {
  readonly id: string;
  readonly rootFingerprint: string | null;
  readonly rootCheck: Buffer | null;
  /** The root key that a rotation goes to: from its first wrap on, who starts must hold this one too. */
  readonly nextRootFingerprint: string | null;
  readonly nextRootCheck: Buffer | null;
}

/** The instance's row, locked: two servers that start at once make one set of keys. */
export async function lockInstance(db: Db): Promise<InstanceRow> {
  return db.one<InstanceRow>(LOCK_INSTANCE, []);
}

const SET_ROOT: Statement = {
  name: 'keyring.set-root',
  text: 'update instance set root_fingerprint = $1, root_check = $2',
};

/** Notes which root key this database is made with: a fingerprint for people, and a check value for the machine. */
export async function setRoot(db: Db, fingerprint: string, check: Buffer): Promise<void> {
  await db.query(SET_ROOT, [fingerprint, check]);
}

const READ_KEYS: Statement = {
  name: 'keyring.read-keys',
  text: 'select purpose, version, wrapped, created_at as "createdAt" from instance_keys',
};

const ROOT_CHECK: Statement = {
  name: 'keyring.root-check',
  text: 'select coalesce(next_root_check, root_check) as "rootCheck" from instance for share',
};

/** The check value of the root key that wraps what is new, held until the transaction ends: a rotation waits for whoever wraps a key. */
export async function readRootCheck(db: Db): Promise<Buffer | null> {
  return (await db.one<{ rootCheck: Buffer | null }>(ROOT_CHECK, [])).rootCheck;
}

export interface InstanceKeyRow {
  readonly purpose: string;
  readonly version: number;
  readonly wrapped: Buffer;
  readonly createdAt: Date;
}

export async function readInstanceKeys(db: Db): Promise<InstanceKeyRow[]> {
  return db.query(READ_KEYS, []);
}

const INSERT_KEY: Statement = {
  name: 'keyring.insert-key',
  text: 'insert into instance_keys (purpose, version, wrapped) values ($1, $2, $3)',
};

export async function insertInstanceKey(db: Db, purpose: string, version: number, wrapped: Buffer): Promise<void> {
  await db.query(INSERT_KEY, [purpose, version, wrapped]);
}

const INSERT_PROJECT_KEY: Statement = {
  name: 'keyring.insert-project-key',
  text: 'insert into project_keys (project_id, version, wrapped) values ($1, $2, $3)',
};

export async function insertProjectKey(db: Db, projectId: string, version: number, wrapped: Buffer): Promise<void> {
  await db.query(INSERT_PROJECT_KEY, [projectId, version, wrapped]);
}

const DURABILITY: Statement = {
  name: 'keyring.durability',
  text: "select current_setting('synchronous_commit') as \"synchronousCommit\", current_setting('fsync') as fsync",
};

/** What this database does so that a commit outlives a crash. */
export async function durability(db: Db): Promise<{ synchronousCommit: string; fsync: string }> {
  return db.one<{ synchronousCommit: string; fsync: string }>(DURABILITY, []);
}

const HAS_BATCHES: Statement = {
  name: 'keyring.has-sealed-batches',
  text: 'select exists (select from audit_batches) as sealed',
};

/** Whether the audit's key has signed anything in this database. */
export async function hasSealedBatches(db: Db): Promise<boolean> {
  return (await db.one<{ sealed: boolean }>(HAS_BATCHES, [])).sealed;
}
