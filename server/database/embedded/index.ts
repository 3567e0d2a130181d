import pg from 'pg';
import { locate } from './binaries.ts';
import { type Cluster, openCluster } from './cluster.ts';
import { type Owner, takeOwnership } from './ownership.ts';
import { ensurePostmaster, isPostmaster, type Postmaster, stopPostmaster } from './postmaster.ts';

/** Where the database lives, and who hears of it. */
export interface EmbeddedPostgresOptions {
  /** Folder of this server's data; made when missing. The data is in `postgres/`, the log in `postgres.log`. */
  readonly dataDir: string;
  /** Told what is worth knowing: a wait, a take-over, a lost database. @default - nothing is told */
  readonly log?: (message: string) => void;
  /** Called when Postgres ends without being stopped. @default - that is logged, and nothing else */
  readonly onEnd?: () => void;
  /** The port that this process serves on: a second server that meets it names it. @default - not named */
  readonly port?: number;
  /** Settings of Postgres by name, for a server that is started; one that is taken over keeps its own. @default {} */
  readonly extraSettings?: Readonly<Record<string, string>>;
}

/** A database that runs, and belongs to this process. */
export interface EmbeddedPostgres {
  /** The database `kms` as the role `kms`, which owns it and is no superuser: as a database in production should be. */
  readonly uri: string;
  /** The database `postgres` as the superuser. */
  readonly adminUri: string;
  readonly pid: number;
  /** An earlier process was killed, and its Postgres went on without it. */
  readonly tookOver: boolean;
  /** Stops Postgres and gives up the data folder. Call it last: what is not committed by then is rolled back. */
  stop(): Promise<void>;
}

/**
 * Starts the database that needs no set-up: a real Postgres on a loopback port, durable as one in production, as a child
 * that outlives a killed parent. The next start takes that child over. One process at a time owns a data folder.
 *
 * @throws DataFolderInUse naming the process that has the folder
 * @throws Error with one line that says what to do, whenever Postgres cannot be had
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => undefined);
  const owner: Owner = { pid: process.pid, port: options.port };
  // Before anything is written: an image has no Postgres in it, nor a place for its data.
  await locate();
  const cluster = await openCluster(options.dataDir);
  for (;;) {
    const postmaster = await ensurePostmaster(cluster, options.extraSettings ?? {}, log);
    try {
      return await own(cluster, postmaster, owner, log, options.onEnd);
    } catch (error) {
      // It stopped between our look and our connection, because its owner stopped it: start over.
      if (postmaster.tookOver && !(await isPostmaster(postmaster.pid, cluster))) continue;
      throw error;
    }
  }
}

async function own(
  cluster: Cluster,
  postmaster: Postmaster,
  owner: Owner,
  log: (message: string) => void,
  onEnd: (() => void) | undefined,
): Promise<EmbeddedPostgres> {
  const { pid, port, tookOver } = postmaster;
  const adminUri = `postgresql://postgres:${cluster.passwords.superuser}@127.0.0.1:${port}/postgres`;
  const lock = await takeOwnership(adminUri, cluster.dataDir, owner);
  await provision(lock, cluster.passwords.kms);
  if (tookOver) log(`took over the Postgres of an earlier run (pid ${pid})`);

  let stopped: Promise<void> | undefined;
  const keep = keepOwnership(lock, {
    cluster,
    postmaster,
    adminUri,
    owner,
    log,
    onEnd,
    isStopping: () => stopped !== undefined,
  });
  const stop = async () => {
    await stopPostmaster(cluster, pid);
    await keep.end();
  };
  return {
    uri: `postgresql://kms:${cluster.passwords.kms}@127.0.0.1:${port}/kms`,
    adminUri,
    pid,
    tookOver,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** The role and the database of the server. Only the owner does this, so nobody else does it at the same moment. */
async function provision(admin: pg.Client, password: string): Promise<void> {
  const { rows } = await admin.query<{ role: boolean; database: boolean }>(
    `select exists (select from pg_roles where rolname = 'kms') as role,
            exists (select from pg_database where datname = 'kms') as database`,
  );
  if (!rows[0]?.role) await admin.query(`create role kms login password ${pg.escapeLiteral(password)}`);
  if (!rows[0]?.database) await admin.query('create database kms owner kms');
}

interface Kept {
  readonly cluster: Cluster;
  readonly postmaster: Postmaster;
  readonly adminUri: string;
  readonly owner: Owner;
  readonly log: (message: string) => void;
  readonly onEnd: (() => void) | undefined;
  isStopping(): boolean;
}

/**
 * Takes the lock again when its connection breaks: one crashed backend makes Postgres end every connection and go on. The
 * connection is left open in a stop until Postgres closes it, so that nobody takes over a server that is about to end.
 */
function keepOwnership(first: pg.Client, kept: Kept): { end(): Promise<void> } {
  let current = first;
  const watch = (client: pg.Client) => {
    let lost = false;
    const onLoss = () => {
      if (!lost && !kept.isStopping()) retake();
      lost = true;
    };
    client.on('error', onLoss);
    client.on('end', onLoss);
  };
  const retake = async () => {
    const { cluster, postmaster, adminUri, owner, log, onEnd } = kept;
    try {
      current = await takeOwnership(adminUri, cluster.dataDir, owner);
      watch(current);
    } catch (error) {
      if (kept.isStopping()) return;
      if (!(await isPostmaster(postmaster.pid, cluster))) {
        log(`the embedded Postgres ended (pid ${postmaster.pid}); see ${cluster.log}`);
        onEnd?.();
      } else setTimeout(retake, 500).unref();
      if (error instanceof Error && error.name === 'DataFolderInUse') log(error.message);
    }
  };
  watch(first);
  return { end: () => current.end().catch(() => undefined) };
}
