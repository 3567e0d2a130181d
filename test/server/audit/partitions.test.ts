import { afterAll, beforeAll, expect, test } from 'vitest';
import { auditKeys, newAuditSigningKey } from '../../../keys/index.ts';
import { Audit } from '../../../server/audit/audit.ts';
import { ensurePartitions } from '../../../server/audit/store.ts';
import { Database } from '../../../server/database/database.ts';
import { Metrics } from '../../../server/metrics/metrics.ts';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

async function partitions(): Promise<string[]> {
  const { rows } = await server.sql.query(
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'audit_log'::regclass order by 1`,
  );
  return rows.map(({ name }) => name);
}

function month(ahead: number): Date {
  const now = new Date();
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + ahead, 15));
}
const nameOf = (at: Date) => `audit_log_${at.toISOString().slice(0, 7).replace('-', '_')}`;

/** Where a record of this moment goes. */
async function place(at: string): Promise<string> {
  const { rows } = await server.sql.query(
    `insert into audit_log (at, action, event, outcome, actor_kind, request_id)
     values ($1, 'read', 'placed', 'allowed', 'identity', 'test') returning tableoid::regclass::text as partition`,
    [at],
  );
  return rows[0].partition;
}

test('this month and the next two have their partitions', async () => {
  expect(await partitions()).toEqual(['audit_log_other', ...[0, 1, 2].map((ahead) => nameOf(month(ahead)))].sort());
});

test.each([
  { name: 'now', at: () => month(0), partition: () => nameOf(month(0)) },
  { name: 'in two months', at: () => month(2), partition: () => nameOf(month(2)) },
  { name: 'of a clock that runs far ahead', at: () => new Date('2999-01-01'), partition: () => 'audit_log_other' },
  { name: 'of a clock that starts at zero', at: () => new Date(0), partition: () => 'audit_log_other' },
])('a record $name finds its place', async ({ at, partition }) => {
  expect(await place(at().toISOString())).toBe(partition());
});

async function withDatabases<Result>(work: (databases: Database[]) => Promise<Result>): Promise<Result> {
  const databases = Array.from({ length: 4 }, () => new Database({ uri: server.database.uri, connections: 2 }));
  try {
    return await work(databases);
  } finally {
    await Promise.all(databases.map((db) => db.close()));
  }
}

test('replicas make the same partition at once', async () => {
  for (let ahead = 3; ahead <= 8; ahead++) {
    await withDatabases((databases) => Promise.all(databases.map((db) => ensurePartitions(db, ahead))));
    expect(await partitions()).toContain(nameOf(month(ahead)));
  }
});

test('a stray record ahead of its partition stops no start', async () => {
  const at = month(9);
  expect(await place(at.toISOString())).toBe('audit_log_other');
  await withDatabases(async ([db]) => {
    await ensurePartitions(db!, 10);
    const audit = new Audit(db!, { audit: auditKeys(newAuditSigningKey(), 1) });
    await audit.start(new Metrics());
    await audit.stop();
  });
  // The month of the stray record goes on in the default partition; the one after has its own.
  expect(await partitions()).not.toContain(nameOf(at));
  expect(await partitions()).toContain(nameOf(month(10)));
  expect(await place(at.toISOString())).toBe('audit_log_other');
});
