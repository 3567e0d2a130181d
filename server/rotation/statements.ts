import type { AuditKeys } from '../../keys/index.ts';
import { ATTESTED, type AttestedTable } from '../audit/attested.ts';
import { attestingVersion, statedOf, writingVersion } from '../audit/verify/claims.ts';
import { type LiveGrant, type LiveSecret, liveGrants, liveSecrets, stream } from '../audit/verify/store.ts';
import { WRITTEN_TABLES, type WrittenTable } from '../audit/written.ts';
import type { Db } from '../database/database.ts';

/** What the audit states last of rows that live, by the version of the key that vouches for it. */
export interface Statements {
  readonly byVersion: ReadonlyMap<number, number>;
  /** Rows that no key vouches for: `audit verify` names each. */
  readonly byNobody: number;
}

/** What is done with those that a former key vouches for; called now and then, with some at a time. */
export interface Renewal {
  grants(table: AttestedTable, rowIds: readonly string[]): Promise<void>;
  secrets(table: WrittenTable, secrets: readonly LiveSecret[]): Promise<void>;
}

const AT_ONCE = 200;

/**
 * Counts what vouches for each row that grants something and for each secret, people's own values too. Read in one moment, by
 * cursors: memory holds a page.
 *
 * @param keys whose statements count, the newest first
 */
export async function countStatements(tx: Db, keys: readonly AuditKeys[], renewal?: Renewal): Promise<Statements> {
  const byVersion = new Map(keys.map(({ version }) => [version, 0]));
  const newest = keys[0]!.version;
  let byNobody = 0;
  const isFormer = (version: number | undefined): boolean => {
    if (version === undefined) byNobody++;
    else byVersion.set(version, byVersion.get(version)! + 1);
    return version !== undefined && version !== newest;
  };
  for (const table of ATTESTED) {
    const former: string[] = [];
    for await (const grant of stream<LiveGrant>(tx, `statements_of_${table.name}`, liveGrants(table))) {
      if (grant.n === null && table.since === 'change') continue;
      if (isFormer(attestingVersion(keys, table.name, grant))) former.push(grant.rowId);
      if (former.length >= AT_ONCE) await renewal?.grants(table, former.splice(0));
    }
    if (former.length > 0) await renewal?.grants(table, former);
  }
  for (const table of WRITTEN_TABLES) {
    const former: LiveSecret[] = [];
    for await (const secret of stream<LiveSecret>(tx, `statements_on_${table}`, liveSecrets(table))) {
      const stated = statedOf(table, secret);
      // Of one that was deleted and put back nothing is stated anew: it is named by its deletion.
      if (isFormer(stated && !stated.deleted ? writingVersion(keys, stated) : undefined)) former.push(secret);
      if (former.length >= AT_ONCE) await renewal?.secrets(table, former.splice(0));
    }
    if (former.length > 0) await renewal?.secrets(table, former);
  }
  return { byVersion, byNobody };
}
