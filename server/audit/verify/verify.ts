import type { Database } from '../../database/database.ts';
import type { Keyring } from '../../keyring/keyring.ts';
import { inForce, trustedKeys } from '../handover.ts';
import { Chain } from './chain.ts';
import { Findings, type Report } from './findings.ts';
import { checkGrants, checkSecrets } from './live.ts';
import { headsOf, openSinkFile } from './sink-heads.ts';
import { holdMoment } from './store.ts';

export interface VerifyOptions {
  readonly db: Database;
  readonly keyring: Pick<Keyring, 'instanceId' | 'auditKeys'>;
  /** Files of exported heads. Without one, a cut tail cannot be told from records that never were. */
  readonly sinks: readonly string[];
  readonly progress?: (line: string) => void;
}

/**
 * Finds what somebody did to the audit, to grants or to secrets past the server. Everything is read in one moment, so a
 * busy database is verified like a quiet one.
 */
export async function verifyAudit({ db, keyring, sinks, progress = () => undefined }: VerifyOptions): Promise<Report> {
  // Before the moment: a head that comes later may be of a batch that the moment does not have.
  const files = await Promise.all(sinks.map(openSinkFile));
  return db.transaction(async (tx) => {
    await holdMoment(tx);
    const findings = new Findings();
    const trusted = await trustedKeys(tx, keyring);
    const macKeys = inForce(keyring.auditKeys, trusted);
    const chain = new Chain(tx, {
      instanceId: keyring.instanceId,
      trusted,
      heads: headsOf(files),
      findings,
      progress: ({ batches, rows }) => progress(`${batches} batches, ${rows} rows`),
    });
    const walked = await chain.walk();
    progress(`${walked.batches} batches, ${walked.rows} rows; now what grants access`);
    const grants = await checkGrants(tx, macKeys, findings);
    progress(`${grants} rows that grant access; now the secrets`);
    const secrets = await checkSecrets(tx, macKeys, findings);
    return { ...walked, grants, secrets, findings: findings.list, more: findings.more };
  });
}
