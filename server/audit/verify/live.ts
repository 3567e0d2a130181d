import type { AuditKeys } from '../../../keys/index.ts';
import { sameMac } from '../../../keys/index.ts';
import type { Db } from '../../database/database.ts';
import { ATTESTED, type AttestedTable } from '../attested.ts';
import { attestationMac } from '../attestor.ts';
import { WRITTEN_TABLES, type WrittenTable, writtenMac } from '../written.ts';
import type { FindingKind, Findings } from './findings.ts';
import {
  adoptedTwice,
  type LiveGrant,
  type LiveSecret,
  liveGrants,
  liveSecrets,
  missingTriggers,
  stream,
} from './store.ts';

/** Compares every live row that grants something with what the server attested of it last. */
export async function checkGrants(tx: Db, keys: AuditKeys, findings: Findings): Promise<number> {
  for (const name of await missingTriggers(tx)) {
    findings.add({
      kind: 'trigger-missing',
      table: name,
      message: `changes of ${name} are not noted: its trigger is gone`,
    });
  }
  for (const name of await adoptedTwice(tx)) {
    const message = `the rows of ${name} were taken as they are a second time, which the server does once`;
    findings.add({ kind: 'adopted-twice', table: name, message });
  }
  let checked = 0;
  for (const table of ATTESTED) {
    for await (const grant of stream<LiveGrant>(tx, `grants_of_${table.name}`, liveGrants(table))) {
      checked++;
      checkGrant(keys, table, grant, findings);
    }
  }
  return checked;
}

/** What is wrong with something, in a kind and words; nothing when it is as it should be. */
type Fault = readonly [FindingKind, string] | undefined;

function checkGrant(keys: AuditKeys, table: AttestedTable, grant: LiveGrant, findings: Findings): void {
  const fault = faultOfGrant(keys, table, grant);
  if (fault === undefined) return;
  const [kind, what] = fault;
  const message = `row ${grant.rowId} of ${table.name} ${told(grant)}${what}`;
  findings.add({ kind, table: table.name, row: grant.rowId, message });
}

function faultOfGrant(keys: AuditKeys, { name: table, since }: AttestedTable, grant: LiveGrant): Fault {
  const { rowId, n, xid, columns, digest, mac, live } = grant;
  if (n === null && since === 'change') return undefined;
  if (n === null) return ['grant-unattested', 'was made by nobody: the audit has no attestation of it'];
  const expected = attestationMac(keys.attesting, { n, xid, tab: table, rowId, columns, digest });
  if (mac === null || !sameMac(mac, expected)) {
    return ['grant-unattested', `was changed past the server, in transaction ${xid}`];
  }
  if (digest === null) return ['grant-put-back', `was deleted in transaction ${xid}, and somebody put it back`];
  if (live === null || !live.equals(digest)) {
    return ['grant-changed', `is not what the server made of it in transaction ${xid}`];
  }
  return undefined;
}

const told = ({ about }: LiveGrant): string => (about === null ? '' : `${JSON.stringify(about)} `);

/** Compares every live secret, people's own values too, value and comment, with the newest record of its writing. */
export async function checkSecrets(tx: Db, keys: AuditKeys, findings: Findings): Promise<number> {
  let checked = 0;
  for (const table of WRITTEN_TABLES) {
    for await (const secret of stream<LiveSecret>(tx, `live_${table}`, liveSecrets(table))) {
      checked++;
      checkSecret(keys, table, secret, findings);
    }
  }
  return checked;
}

function checkSecret(keys: AuditKeys, table: WrittenTable, secret: LiveSecret, findings: Findings): void {
  const fault = faultOfSecret(keys, table, secret);
  if (fault === undefined) return;
  const [kind, what] = fault;
  const whose = secret.ownerId === null ? 'secret' : `the own value of person ${secret.ownerId},`;
  const message = `${whose} ${secret.id} ("${secret.key}" of project ${secret.projectId}) ${what}`;
  findings.add({ kind, table, row: secret.id, message });
}

function faultOfSecret(keys: AuditKeys, table: WrittenTable, secret: LiveSecret): Fault {
  const written = recorded(table, secret);
  if (written === undefined) return ['secret-unrecorded', 'was written by nobody: the audit has no record of it'];
  if (!written.isOurs(keys)) return ['secret-unrecorded', 'has a record that this server did not write'];
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

/** The newest statement about a secret: of its record, or, after that was dropped, of what was kept of it. */
function recorded(table: WrittenTable, secret: LiveSecret) {
  const { metadata, keptN, keptXid, keptColumns, keptMac } = secret;
  if (metadata !== null) {
    const { version, sealedHash, mac } = metadata as { version: number; sealedHash: string; mac: string };
    const commentHash = typeof metadata.commentHash === 'string' ? metadata.commentHash : null;
    const deleted = secret.action === 'delete';
    const stated = { secretId: secret.id, version, deleted, sealedHash, commentHash };
    const isOurs = (keys: AuditKeys) =>
      [version, sealedHash, mac].every((part) => part !== undefined) && writtenMac(keys.attesting, stated) === mac;
    return { ...stated, isOurs };
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
    version: Number(version),
    deleted: false,
    sealedHash,
    commentHash: commentHash === '' ? null : commentHash,
    isOurs: (keys: AuditKeys) => keptMac !== null && sameMac(keptMac, attestationMac(keys.attesting, attestation)),
  };
}
