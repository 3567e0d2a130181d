import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

/** Any number: the key of the lock whose holder owns the data folder. */
const OWNER_LOCK = 4_205_114_028;
/** How long a holder that is just ending is waited for, in milliseconds. A killed process lets go within a few. */
const PATIENCE = 2_000;
const IS_STARTING_OR_STOPPING = '57P03';

export interface Owner {
  readonly pid: number;
  /** The port that the owner serves on, when it is known. */
  readonly port?: number | undefined;
}

/** Another live process has the data folder. */
class DataFolderInUse extends Error {
  override readonly name = 'DataFolderInUse';
}

/**
 * Owns a data folder for this process's life: a session's advisory lock on a connection of its own. It ends with the
 * process, however that ends, so nothing stale is ever found, as it would be with a lock file.
 *
 * @throws DataFolderInUse naming the holder
 */
export async function takeOwnership(uri: string, dataDir: string, owner: Owner): Promise<pg.Client> {
  const client = await connectWhenUp(uri, owner);
  const deadline = Date.now() + PATIENCE;
  try {
    for (;;) {
      const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [OWNER_LOCK]);
      if (rows[0]?.taken) return client;
      if (Date.now() > deadline) throw new DataFolderInUse(await describeHolder(client, dataDir));
      await pause(50);
    }
  } catch (error) {
    await client.end();
    throw error;
  }
}

const applicationName = ({ pid, port }: Owner): string => `kms-server pid ${pid}${port ? ` port ${port}` : ''}`;

async function describeHolder(client: pg.Client, dataDir: string): Promise<string> {
  const { rows } = await client.query<{ name: string }>(
    `select a.application_name as name from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and (l.classid::bigint << 32) + l.objid::bigint = $1`,
    [OWNER_LOCK],
  );
  const [, pid, port] = /pid (\d+)(?: port (\d+))?/.exec(rows[0]?.name ?? '') ?? [];
  const holder = pid ? ` (pid ${pid}${port ? `, port ${port}` : ''})` : '';
  return `data folder ${dataDir} is in use by kms-server${holder}; stop it or set KMS_DATA_DIR`;
}

async function connectWhenUp(uri: string, owner: Owner): Promise<pg.Client> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const client = new pg.Client({ connectionString: uri, application_name: applicationName(owner), keepAlive: true });
    // Whoever asks over it is told of its end; until somebody listens, an end between two questions would end the process.
    client.on('error', () => undefined);
    try {
      await client.connect();
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      const { code } = error as { code?: string };
      if (code === '28P01')
        throw new Error('the embedded Postgres refuses its own password; restore the file postgres/password');
      if (code !== IS_STARTING_OR_STOPPING || Date.now() > deadline) throw error;
      await pause(50);
    }
  }
}
