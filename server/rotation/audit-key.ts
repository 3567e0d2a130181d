import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { AuditKeys } from '../../keys/index.ts';
import { lockProject } from '../access/store.ts';
import type { AttestedTable } from '../audit/attested.ts';
import { Attestor } from '../audit/attestor.ts';
import { inForce, trustedKeys } from '../audit/handover.ts';
import { Sealer } from '../audit/sealer.ts';
import { attestingVersion, statedOf, writingVersion } from '../audit/verify/claims.ts';
import { grantsOf, holdMoment, type LiveSecret, lockGrants, secretsOf } from '../audit/verify/store.ts';
import type { WrittenTable } from '../audit/written.ts';
import { AUDIT_KEY } from '../keyring/instance-keys.ts';
import { lockInstance } from '../keyring/store.ts';
import { retireInstanceKeys } from './instance-store.ts';
import { type Rotation, RotationStopped, recordOf } from './rotation.ts';
import { countStatements, type Statements } from './statements.ts';
import { copyAttestations, endedBefore, positionNow } from './statements-store.ts';
import { findProjects } from './store.ts';

const DRAIN_MS = 60_000;
const LOOK_EVERY_MS = 100;
const TRIES = 3;

/**
 * Ends the former key of the audit, once every replica works with the new one: what it vouches for is stated anew under the new
 * one, some rows at a time, and then a checkpoint that both sign says that it counts no more (audit/handover.ts). A run that was
 * killed is run again: what the new key vouches for is passed by. What no key vouches for is left as it is, to be found.
 */
export async function handOverAuditKey(on: Rotation): Promise<void> {
  const { db, keyring, audit, say } = on;
  if (keyring.auditKeys.length < 2) return;
  await transactionsEnded(on);
  const former = keyring.auditKeys.slice(1).map(({ version }) => version);
  const to = keyring.audit.version;
  for (let tries = 1; ; tries++) {
    const { byVersion, byNobody } = await stateAnew(on);
    const left = former.reduce((sum, version) => sum + (byVersion.get(version) ?? 0), 0);
    say(
      `${byVersion.get(to) ?? 0} rows that grant access or hold secrets are vouched for by version ${to} of the audit's key, ` +
        `${left} by a former one, ${byNobody} by none`,
    );
    if (left === 0) break;
    if (tries === TRIES)
      throw new RotationStopped("rows are still vouched for by a former key of the audit's; run this again");
  }
  const sealer = new Sealer({
    ...{ db, keyring },
    sink: { put: async () => undefined },
    alert: (event) => say(event),
    warn: () => undefined,
  });
  const handOver = () =>
    sealer.handOver(async (tx) => {
      await lockInstance(tx);
      await retireInstanceKeys(tx, AUDIT_KEY, to);
      await audit.writeWithin(tx, [
        recordOf({ event: 'rotate-audit-key', metadata: { from: former, to, host: hostname() } }),
      ]);
    });
  // Another process seals at this very moment.
  for (let tries = 0; !(await handOver()); tries++) {
    if (tries === 100) throw new RotationStopped('the audit is being sealed without a pause; run this again');
    await setTimeout(LOOK_EVERY_MS);
  }
  await keyring.refresh();
  say(`the audit is signed with version ${to} of its key, and version ${former.join(' and ')} counts no more`);
}

/** Whoever began before all replicas knew the new key, and signed with the former one, has ended. */
async function transactionsEnded({ db, say }: Rotation): Promise<void> {
  const now = await positionNow(db);
  for (const deadline = performance.now() + DRAIN_MS; !(await endedBefore(db, now)); ) {
    if (performance.now() > deadline)
      throw new RotationStopped('a transaction has been under way for a minute; end it and run this again');
    await setTimeout(LOOK_EVERY_MS);
  }
  say('every transaction from before the new keys has ended');
}

/** One walk over all rows, and the count of what it leaves. */
async function stateAnew(on: Rotation): Promise<Statements> {
  const keys = await keysInForce(on);
  const renewed = { rows: 0 };
  const projects = new Map((await findProjects(on.db, undefined)).map((project) => [project.id, project]));
  const told = (rows: number) => {
    renewed.rows += rows;
    on.say(`${renewed.rows} rows vouched for anew`);
  };
  await on.db.transaction(async (tx) => {
    await holdMoment(tx);
    await countStatements(tx, keys, {
      grants: async (table, rowIds) => told(await attestAnew(on, keys, table, rowIds)),
      secrets: async (table, secrets) => {
        for (const [id, some] of Map.groupBy(secrets, ({ projectId }) => projectId)) {
          const project = projects.get(id);
          if (project !== undefined) told(await recordAnew(on, keys, table, project, some));
        }
      },
    });
  });
  return on.db.transaction(async (tx) => {
    await holdMoment(tx);
    return countStatements(tx, keys);
  });
}

export async function keysInForce({ db, keyring }: Pick<Rotation, 'db' | 'keyring'>): Promise<AuditKeys[]> {
  return inForce(keyring.auditKeys, await trustedKeys(db, keyring));
}

/** Under the rows' locks: whoever changes one meanwhile states it anew by that, and the newest statement is to stay the newest. */
async function attestAnew(
  { db, keyring }: Rotation,
  keys: readonly AuditKeys[],
  table: AttestedTable,
  rowIds: readonly string[],
): Promise<number> {
  return db.transaction(async (tx) => {
    await lockGrants(tx, table, rowIds);
    const former = (await grantsOf(tx, table, rowIds)).filter((grant) => {
      const version = attestingVersion(keys, table.name, grant);
      return version !== undefined && version !== keys[0]!.version;
    });
    // What the former statement said, and not what is there: a row that was changed past the server is still found.
    await copyAttestations(
      tx,
      former.map(({ n }) => n!),
    );
    await new Attestor(keyring).beforeCommit(tx);
    return former.length;
  });
}

async function recordAnew(
  { db, audit }: Rotation,
  keys: readonly AuditKeys[],
  table: WrittenTable,
  project: { readonly id: string; readonly slug: string; readonly organizationId: string },
  secrets: readonly LiveSecret[],
): Promise<number> {
  return db.transaction(async (tx) => {
    await lockProject(tx, project.id);
    const live = await secretsOf(
      tx,
      table,
      secrets.map(({ id }) => id),
    );
    const records = live.flatMap((secret) => {
      const stated = statedOf(table, secret);
      const by = stated && writingVersion(keys, stated);
      // One that was deleted and put back is named by its deletion.
      if (stated === undefined || by === undefined || by === keys[0]!.version || stated.deleted) return [];
      const { secretId, version, sealedHash, commentHash } = stated;
      const own = secret.ownerId === null ? {} : { type: 'personal', ownerId: secret.ownerId };
      return recordOf({
        event: 'reattest-secret',
        organizationId: project.organizationId,
        project,
        secretKey: secret.key,
        metadata: { secretId, version, sealedHash, ...(commentHash === null ? {} : { commentHash }), ...own },
      });
    });
    if (records.length > 0) await audit.writeWithin(tx, records);
    return records.length;
  });
}
