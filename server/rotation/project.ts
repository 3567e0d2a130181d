import { createHash } from 'node:crypto';
import {
  type DataKey,
  isBrokenSeal,
  openValue,
  type PersonalPlace,
  type Place,
  SealBroken,
  sealValue,
} from '../../keys/index.ts';
import { lockProject } from '../access/store.ts';
import type { AuditRecord } from '../audit/store.ts';
import type { Db } from '../database/database.ts';
import { type Rotation, RotationStopped, recordOf } from './rotation.ts';
import {
  type Cursor,
  countRows,
  keyVersions,
  oldRows,
  type RotatedProject,
  replaceSeals,
  retireKeys,
  type SealedRow,
  type SealedTable,
  START,
  sealedTables,
} from './store.ts';

const ROWS_AT_ONCE = 100;

/** Whether a version of a project's key was made by the rotation that is under way. */
export type IsNewKey = (projectId: string, key: { readonly version: number; readonly wrapped: Buffer }) => boolean;

export interface Resealed {
  readonly version: number;
  readonly rows: number;
}

/**
 * Gives a project another data key and seals everything of it anew, while it is read and written: some rows at a time,
 * under the project's lock, as any change. What is written meanwhile is under the new key already. A run that was killed
 * is run again: it goes on with the newest key, and what is sealed under it is passed by.
 *
 * @param isNew says of the newest version whether this rotation made it. @default - it did, while there is another
 * @throws RotationStopped when rows do not open: they are named, and the former key is kept for them
 */
export async function rotateProject(on: Rotation, project: RotatedProject, isNew?: IsNewKey): Promise<Resealed> {
  const newest = await newestVersion(on, project, isNew);
  let rows = 0;
  const broken: string[] = [];
  for (const table of sealedTables) {
    for (let after: Cursor | undefined = START; after !== undefined; ) {
      const batch: Batch = await on.db.transaction((tx) => resealSome(on, tx, project, table, newest, after!));
      rows += batch.resealed;
      broken.push(...batch.broken);
      after = batch.next;
      if (batch.resealed > 0) on.say(`project ${project.slug}: ${rows} rows sealed under version ${newest}`);
    }
  }
  await retire(on, project, newest, broken);
  return { version: newest, rows };
}

/** The version to go to: the newest one while something is left under another, and a new one otherwise. */
async function newestVersion(
  { db, keyring, audit, say }: Rotation,
  project: RotatedProject,
  isNew?: IsNewKey,
): Promise<number> {
  return db.transaction(async (tx) => {
    await lockProject(tx, project.id);
    const versions = await keyVersions(tx, project.id);
    const newest = versions.at(-1)!;
    const last = newest.version;
    if (isNew ? isNew(project.id, newest) : versions.length > 1) {
      say(`project ${project.slug}: goes on with version ${last}`);
      return last;
    }
    await keyring.addProjectKeyVersion(tx, project.id, last + 1);
    await audit.writeWithin(tx, [ofProject(project, 'rotate-project-key', { from: last, to: last + 1 })]);
    return last + 1;
  });
}

interface Batch {
  readonly resealed: number;
  readonly broken: readonly string[];
  readonly next: Cursor | undefined;
}

async function resealSome(
  { keyring, audit }: Rotation,
  tx: Db,
  project: RotatedProject,
  table: SealedTable,
  newest: number,
  after: Cursor,
): Promise<Batch> {
  await lockProject(tx, project.id);
  const rows = await oldRows(tx, table, project.id, newest, after, ROWS_AT_ONCE);
  if (rows.length === 0) return { resealed: 0, broken: [], next: undefined };
  const keys = new Map(
    (await keyVersions(tx, project.id)).map(({ version, wrapped }) => [
      version,
      keyring.dataKey(project.id, version, wrapped),
    ]),
  );
  const resealed: SealedRow[] = [];
  const broken: string[] = [];
  for (const row of rows) {
    try {
      resealed.push(reseal(project.id, row, keys, newest));
    } catch (error) {
      if (!isBrokenSeal(error)) throw error;
      await audit.writeWithin(tx, [recordBroken(project, table, row)]);
      broken.push(`${table} ${row.id} ("${row.key}", version ${row.version})`);
    }
  }
  if (resealed.length > 0) {
    await replaceSeals(tx, table, resealed);
    await audit.writeWithin(
      tx,
      resealed.map((row) => recordReseal(project, table, row)),
    );
  }
  const last = rows.at(-1)!;
  return { resealed: resealed.length, broken, next: { id: last.rowId, version: last.version } };
}

/** The same texts at the same place, under the newest key. */
function reseal(projectId: string, row: SealedRow, keys: ReadonlyMap<number, DataKey>, newest: number): SealedRow {
  const [from, to] = [keys.get(row.keyVersion), keys.get(newest)!];
  if (from === undefined) throw new SealBroken('the version of the key that this is sealed under is not there');
  const move = (sealed: Buffer, field: Place['field']): Buffer => {
    const text = openValue(from, placeOf(projectId, row, field, row.keyVersion), sealed);
    const again = sealValue(to, placeOf(projectId, row, field, newest), text);
    text.fill(0);
    return again;
  };
  return {
    ...row,
    keyVersion: newest,
    sealedValue: move(row.sealedValue, 'value'),
    sealedComment: row.sealedComment && move(row.sealedComment, 'comment'),
    sealedMetadata: row.sealedMetadata && move(row.sealedMetadata, 'metadata'),
  };
}

function placeOf(projectId: string, row: SealedRow, field: Place['field'], keyVersion: number): Place | PersonalPlace {
  const { id: secretId, ownerId, version } = row;
  if (ownerId !== null) {
    return { projectId, secretId, ownerId, version, keyVersion, field: field as PersonalPlace['field'] };
  }
  return {
    projectId,
    environmentId: row.environmentId!,
    folderId: row.folderId!,
    secretId,
    keyName: row.key,
    version,
    keyVersion,
    field,
  };
}

const hashOf = (sealed: Buffer | null) => sealed && createHash('sha256').update(sealed).digest('hex');

/** The new hashes, so that the audit still tells a row that somebody put back. */
function recordReseal(project: RotatedProject, table: SealedTable, row: SealedRow): AuditRecord {
  const { ownerId, version, keyVersion } = row;
  const hashes = { version, keyVersion, sealedHash: hashOf(row.sealedValue), commentHash: hashOf(row.sealedComment) };
  // A person's own value is recorded under its own id, as when it is written.
  const about =
    table === 'personal_secrets'
      ? { secretId: row.rowId, type: 'personal', overrides: row.id, ownerId }
      : { secretId: row.id };
  const history = table === 'secret_versions' ? { history: true } : {};
  return {
    ...ofProject(project, 'reseal-secret', { ...about, ...hashes, ...history }),
    environment: row.environment,
    secretPath: row.path,
    secretKey: row.key,
  };
}

/** The alarm of a row that does not open, where no request met it. */
function recordBroken(project: RotatedProject, table: SealedTable, row: SealedRow): AuditRecord {
  const metadata = { table, version: row.version, ...(row.ownerId === null ? {} : { ownerId: row.ownerId }) };
  return {
    ...ofProject(project, 'seal-broken', metadata),
    ...{ action: 'read', outcome: 'refused', environment: row.environment, secretPath: row.path, secretKey: row.key },
  };
}

function ofProject(project: RotatedProject, event: string, metadata: Record<string, unknown>): AuditRecord {
  return recordOf({ event, organizationId: project.organizationId, project, metadata });
}

/** Deletes the former versions, when the count says that nothing is left under them. */
async function retire(on: Rotation, project: RotatedProject, newest: number, broken: readonly string[]): Promise<void> {
  const counted = await on.db.transaction(async (tx) => {
    await lockProject(tx, project.id);
    const rows = await countRows(tx, project.id);
    if (rows.every(({ version }) => version === newest)) {
      await retireKeys(tx, project.id, newest);
      await on.audit.writeWithin(tx, [ofProject(project, 'retire-project-key', { before: newest })]);
    }
    return rows;
  });
  const told = counted.map(({ version, rows }) => `${rows} under version ${version}`).join(', ') || 'no rows';
  on.say(`project ${project.slug}: ${told}`);
  if (counted.every(({ version }) => version === newest)) return;
  throw new RotationStopped(
    broken.length > 0
      ? `project ${project.slug}: these rows do not open, and keep the former key: ${broken.slice(0, 20).join(', ')}; ` +
          'write them anew or delete them, and run this again'
      : `project ${project.slug}: rows are still under a former version; run this again`,
  );
}
