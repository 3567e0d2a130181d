import type { AuditKeys } from '../../../keys/index.ts';
import type { Db } from '../../database/database.ts';
import { ATTESTED } from '../attested.ts';
import { WRITTEN_TABLES } from '../written.ts';
import { faultOfGrant, faultOfSecret } from './claims.ts';
import type { Findings } from './findings.ts';
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
export async function checkGrants(tx: Db, keys: readonly AuditKeys[], findings: Findings): Promise<number> {
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
      const fault = faultOfGrant(keys, table, grant);
      if (fault === undefined) continue;
      const [kind, what] = fault;
      const message = `row ${grant.rowId} of ${table.name} ${told(grant)}${what}`;
      findings.add({ kind, table: table.name, row: grant.rowId, message });
    }
  }
  return checked;
}

const told = ({ about }: LiveGrant): string => (about === null ? '' : `${JSON.stringify(about)} `);

/** Compares every live secret, people's own values too, value and comment, with the newest record of its writing. */
export async function checkSecrets(tx: Db, keys: readonly AuditKeys[], findings: Findings): Promise<number> {
  let checked = 0;
  for (const table of WRITTEN_TABLES) {
    for await (const secret of stream<LiveSecret>(tx, `live_${table}`, liveSecrets(table))) {
      checked++;
      const fault = faultOfSecret(keys, table, secret);
      if (fault === undefined) continue;
      const [kind, what] = fault;
      const whose = secret.ownerId === null ? 'secret' : `the own value of person ${secret.ownerId},`;
      const message = `${whose} ${secret.id} ("${secret.key}" of project ${secret.projectId}) ${what}`;
      findings.add({ kind, table, row: secret.id, message });
    }
  }
  return checked;
}
