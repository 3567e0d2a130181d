/**
 * A process that owns a data folder, to be killed or met by a test: starts the embedded Postgres, prints one line of JSON
 * (what it got, or the error), and stops it on SIGTERM.
 * Arguments: the data folder, the port it claims to serve on, the module to start with.
 */
const [dataDir = '', port = '0', entry = '../../server/database/embedded/index.ts'] = process.argv.slice(2);
const { startEmbeddedPostgres }: typeof import('../../server/database/embedded/index.ts') = await import(entry);

try {
  const postgres = await startEmbeddedPostgres({ dataDir, port: Number(port) });
  process.on('SIGTERM', () => void postgres.stop());
  console.log(JSON.stringify({ uri: postgres.uri, pid: postgres.pid, tookOver: postgres.tookOver }));
} catch (error) {
  console.log(JSON.stringify({ error: (error as Error).message }));
}
