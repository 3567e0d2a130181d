/** Opens the databases that a failed run kept, until Ctrl-C. Argument: the folder that the run printed. */
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../server/database/embedded/index.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('name the folder that the failed run printed');
const postgres = await startEmbeddedPostgres({
  dataDir,
  log: console.error,
  extraSettings: { shared_preload_libraries: 'pg_stat_statements' },
});
for (const line of (await readFile(join(dataDir, 'kept'), 'utf8')).trim().split('\n')) {
  const [name, file] = line.split(' ', 2);
  console.log(`${file} ${postgres.adminUri.replace(/\/postgres$/, `/${name}`)}`);
}
await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
await postgres.stop();
