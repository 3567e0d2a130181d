import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import pg from 'pg';
import { parseRootKey } from '../../../keys/index.ts';
import type { Finding, Report } from '../../../server/audit/verify/findings.ts';
import { verifyAudit } from '../../../server/audit/verify/verify.ts';
import { Database } from '../../../server/database/database.ts';
import { openKeyring } from '../../../server/keyring/open.ts';
import type { TestServer } from '../../support/server.ts';

/** Verifies a database as `kms-server audit verify` does. */
async function verifyDatabase(uri: string, rootKey: string, sinks: string[] = []): Promise<Report> {
  const db = new Database({ uri, connections: 2 });
  try {
    return await verifyAudit({ db, keyring: await openKeyring(db, parseRootKey(rootKey)), sinks });
  } finally {
    await db.close();
  }
}

export const verify = (server: TestServer, sinks: string[] = []): Promise<Report> =>
  verifyDatabase(server.database.uri, server.secrets.rootKey, sinks);

/** Waits until everything that is in the audit now is sealed and exported. */
export async function settle(server: TestServer): Promise<void> {
  const { rows } = await server.sql.query('select audit_position()::text as now');
  for (let tries = 0; ; tries++) {
    const state = await server.sql.query(
      `select (next > $1::xid8 or not exists (select from audit_log where xid >= next)
                                 and not exists (select from audit_attestations where xid >= next)
                                 and not exists (select from audit_manifests where xid >= next))
              and exported >= number as settled from audit_sealer`,
      [rows[0].now],
    );
    if (state.rows[0].settled) return;
    if (tries > 300) throw new Error('the audit is not sealed after 30 seconds');
    await setTimeout(100);
  }
}

/** A database as it was left by a server that has ended, cloned for each who wants to tamper with it. */
export class Seeded {
  readonly #server: TestServer;

  constructor(server: TestServer) {
    this.#server = server;
  }

  /** Runs statements as the owner of the tables on a clone, and tells what the verification says of it. */
  async tampered(work: (sql: pg.Client) => Promise<unknown>, sinks: string[] = []): Promise<Report> {
    const name = `tampered_${randomBytes(6).toString('hex')}`;
    const { database, secrets } = this.#server;
    await onPostgres(database.adminUri, `create database "${name}" template "${database.name}" owner kms`);
    const uri = Object.assign(new URL(database.uri), { pathname: `/${name}` }).href;
    try {
      const sql = new pg.Client(uri);
      await sql.connect();
      try {
        await work(sql);
      } finally {
        await sql.end();
      }
      return await verifyDatabase(uri, secrets.rootKey, sinks);
    } finally {
      await onPostgres(database.adminUri, `drop database "${name}" with (force)`);
    }
  }
}

async function onPostgres(adminUri: string, text: string): Promise<void> {
  const admin = new pg.Client(Object.assign(new URL(adminUri), { pathname: '/postgres' }).href);
  await admin.connect();
  try {
    await admin.query(text);
  } finally {
    await admin.end();
  }
}

export const kinds = ({ findings }: Report): string[] => [...new Set(findings.map(({ kind }) => kind))].sort();
export const rowsNamed = (findings: readonly Finding[], kind: string) =>
  findings.filter((finding) => finding.kind === kind).map(({ row }) => row);

/** A file for exported heads, and how to be rid of it. */
export async function sinkFile(): Promise<{ path: string; remove: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'kms-sink-'));
  return { path: join(folder, 'heads.ndjson'), remove: () => rm(folder, { recursive: true, force: true }) };
}
