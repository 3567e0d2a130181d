import { SealBroken } from '../../../keys/index.ts';
import { type Config, ConfigError } from '../../config.ts';
import { Database } from '../../database/database.ts';
import { AuditKeyMissing, openKeyring } from '../../keyring/open.ts';
import { rebase } from '../seal-store.ts';
import type { Report } from './findings.ts';
import { verifyAudit } from './verify.ts';

/** Nobody touched anything; somebody did. What could not be verified is an error, and 1. */
const CLEAN = 0;
const TAMPERED = 3;

const NOTHING = { batches: 0, rows: 0, unsealed: 0, grants: 0, secrets: 0, heads: 0, more: 0 };

/** `kms-server audit verify`: the report on standard output, the progress on standard error. Returns the exit code. */
export async function auditVerify(config: Config, options: { sink: string[]; json?: true }): Promise<number> {
  const { DB_CONNECTION_URI: uri } = config;
  if (uri === undefined) throw new ConfigError('DB_CONNECTION_URI is not set; it names the database to verify');
  const db = new Database({ uri, connections: 2, applicationName: 'kms-server audit verify' });
  try {
    const report = await verify(db, config, options.sink);
    process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : told(report, options.sink));
    return report.findings.length > 0 ? TAMPERED : CLEAN;
  } finally {
    await db.close();
  }
}

/** `kms-server audit rebase`: for a database that was made from a dump, before a server starts on it. */
export async function auditRebase(config: Config): Promise<void> {
  const { DB_CONNECTION_URI: uri } = config;
  if (uri === undefined) throw new ConfigError('DB_CONNECTION_URI is not set; it names the database that was restored');
  const db = new Database({ uri, connections: 1, applicationName: 'kms-server audit rebase' });
  try {
    await db.transaction(rebase);
    process.stdout.write('what is written from now on is sealed after what the dump has\n');
  } finally {
    await db.close();
  }
}

async function verify(db: Database, config: Config, sinks: string[]): Promise<Report> {
  const { ROOT_ENCRYPTION_KEY: root, ROOT_ENCRYPTION_KEY_PREVIOUS: previous } = config;
  const progress = (line: string) => process.stderr.write(`kms-server: verified ${line}\n`);
  try {
    return await verifyAudit({ db, keyring: await openKeyring(db, root, previous), sinks, progress });
  } catch (error) {
    if (!(error instanceof AuditKeyMissing || error instanceof SealBroken)) throw error;
    const message = 'the signing key of the audit is not the one that this instance made';
    return { ...NOTHING, findings: [{ kind: 'signing-key-replaced', table: 'instance_keys', message }] };
  }
}

function told({ findings, more, batches, rows, unsealed, grants, secrets, heads }: Report, sinks: string[]): string {
  const lines = findings.map(({ kind, message }) => `${kind}: ${message}`);
  if (more > 0) lines.push(`and ${more} more`);
  lines.push(
    `${rows} rows in ${batches} batches, ${unsealed} not sealed yet; ${grants} grants, ${secrets} secrets, ${heads} exported heads`,
  );
  if (sinks.length === 0) lines.push('no --sink: a tail that was cut would not be seen');
  lines.push(findings.length === 0 ? 'nothing found' : `tampering found: ${findings.length + more}`);
  return `${lines.join('\n')}\n`;
}
