#!/usr/bin/env node
import { Command } from 'commander';
import { VERSION } from '../contracts/index.ts';
import { ConfigError, readConfig } from './config.ts';
import { isOutage, sqlState } from './database/sqlstate.ts';
import { keysCommands } from './rotation/commands.ts';

/** `kms-server`: serves, and does what needs the database itself. */

/** Errors whose message says it all; by their names, since to know the classes would load all that throws them. */
const TOLD = new Set([
  'ConfigError',
  'WrongRootKey',
  'AuditKeyMissing',
  'SchemaMismatch',
  'RotationStopped',
  'DataFolderInUse',
  'SinkUnreadable',
]);

const program = new Command('kms-server')
  .description('The Hanzo KMS server. It is configured by its environment; see docs/configuration.md.')
  .version(VERSION)
  .showHelpAfterError()
  .addHelpText(
    'after',
    `
Examples:
  kms-server                      serve on HOST:PORT, on an embedded Postgres unless DB_CONNECTION_URI is set
  kms-server migrate              bring the database of DB_CONNECTION_URI to this version's schema, and exit
  kms-server audit verify --sink heads.ndjson
                                  find what somebody changed in the audit, in grants or in secrets past the server
  kms-server keys status          fingerprints, counts per key version, and which replica holds what`,
  );

program
  .command('serve', { isDefault: true })
  .description('serve the API (the default)')
  .action(() => run(async () => (await import('./serve.ts')).serve(readConfig(process.env))));

program
  .command('migrate')
  .description('migrate the database, and exit')
  .action(() =>
    run(async () => {
      const { DB_CONNECTION_URI: uri } = readConfig(process.env);
      if (uri === undefined)
        throw new ConfigError('DB_CONNECTION_URI is not set; an embedded database is migrated by each start');
      const { migrate } = await import('./database/migrate.ts');
      const { applied } = await migrate(uri);
      process.stdout.write(applied.length === 0 ? 'nothing to migrate\n' : `migrated: ${applied.join(', ')}\n`);
    }),
  );

const audit = program.command('audit').description('the audit');

audit
  .command('rebase')
  .description(
    'after a database was made from a dump, and before a server starts on it: number new records after the old',
  )
  .action(() => run(async () => (await import('./audit/verify/command.ts')).auditRebase(readConfig(process.env))));

audit
  .command('verify')
  .description('find what somebody did to the audit, to grants or to secrets past the server')
  .option(
    '--sink <file>',
    'a file of exported heads (KMS_AUDIT_SINK, or a log); may be given several times',
    collect,
    [],
  )
  .option('--json', 'print the report as JSON')
  .addHelpText('after', '\nExit codes: 0 nothing found, 1 could not be verified, 3 tampering found.')
  .action((options: { sink: string[]; json?: true }) =>
    run(async () => {
      const { auditVerify } = await import('./audit/verify/command.ts');
      process.exitCode = await auditVerify(readConfig(process.env), options);
    }),
  );

keysCommands(program, run);

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

// Whoever read our lines may be gone before us; writing to nobody must not end a stop half-way.
process.stderr.on('error', () => undefined);
process.stdout.on('error', () => undefined);
await program.parseAsync();

/** Runs a command; what goes wrong is said in a line, and the exit code tells. */
async function run(command: () => Promise<void>): Promise<void> {
  try {
    await command();
  } catch (error) {
    for (const line of explain(error).split('\n')) process.stderr.write(`kms-server: error: ${line}\n`);
    process.exitCode = 1;
    // The channel of whoever spawned this would keep the process alive.
    if (process.connected) process.disconnect();
  }
}

function explain(error: unknown): string {
  const { name, message, code } = error as Error & { code?: string };
  if (TOLD.has(name)) return message;
  if (code === 'EADDRINUSE')
    return `port ${process.env.PORT ?? 8080} is taken by another program; set PORT to a free one`;
  if (code === 'EACCES')
    return `this user may not listen on port ${process.env.PORT ?? 8080}; set PORT to one above 1023`;
  if (sqlState(error)?.startsWith('28'))
    return `the database refuses the user or password of DB_CONNECTION_URI (${code})`;
  if (sqlState(error) === '3D000') return 'the database that DB_CONNECTION_URI names does not exist; create it first';
  if (sqlState(error) === undefined && code !== undefined && isOutage(error)) {
    return `the database cannot be reached (${code}); check DB_CONNECTION_URI`;
  }
  return message;
}
