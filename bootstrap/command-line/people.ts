import type { AuditOptions } from '../commands/audit.ts';
import type { LoginOptions } from '../commands/login.ts';
import { withExamples } from '../terminal/program.ts';
import { type CommandLine, toServer, withJson } from './options.ts';

/** Who asks, and who asked. */
export function addPeople({ terminal, program, run }: CommandLine): void {
  const environment = process.env;

  withExamples(
    program.command('login').description('log in by browser, or with a password and the code of your authenticator'),
    'kms login --url https://kms.example.com',
    'kms login --password --email ada@example.com',
    'pass show kms | kms login --email ada@example.com',
  )
    .option('--url <address>', 'where KMS answers (default: KMS_URL, or where you logged in last)')
    .option('--email <address>', 'yours; asked for otherwise')
    .option('--org <slug>', 'the organization, where you belong to several; the browser asks itself')
    .option('--browser', 'by browser, also where none can be opened: the address is shown')
    .option('--password', 'ask for the password here')
    .option('--store <place>', 'where the token is kept: keychain or file (default: the keychain where there is one)')
    .action((options: LoginOptions) =>
      run(async () => (await import('../commands/login.ts')).logIn(terminal, environment, options)),
    );

  withExamples(program.command('logout').description('end the session, and forget its token'), 'kms logout')
    .option('--url <address>', 'where (default: as for login)')
    .action((options: { url?: string }) =>
      run(async () => (await import('../commands/login.ts')).logOut(terminal, environment, options)),
    );

  withExamples(
    withJson(
      toServer(
        program.command('status').description('where KMS is, who you are there, and which folder is meant here'),
      ),
    ),
    'kms status',
  ).action((options: { state: string; json?: boolean }) =>
    run(async () => (await import('../commands/login.ts')).status(terminal, environment, options), options.json),
  );

  withExamples(
    withJson(toServer(program.command('audit').description('who read or changed what, the latest first; for admins'))),
    'kms audit --project gateway --action read --key DATABASE_URL',
    'kms audit --project gateway --outcome refused --from 2026-01-01 --json',
  )
    .option('-p, --project <slug>', 'the project; .kms.yaml says it otherwise')
    .option('-e, --env <slug>', 'one environment, or several with commas')
    .option('--path <folder>', 'one folder')
    .option('--key <name>', 'one secret')
    .option('--action <actions>', 'read, create, update, delete or login; several with commas')
    .option('--outcome <outcome>', 'allowed or refused')
    .option('--from <when>', 'a day or an instant, inclusive')
    .option('--until <when>', 'a day or an instant, inclusive')
    .option('--limit <number>', 'at most so many records', '20')
    .option('--org <slug>', 'the organization, where several have a project of this name')
    .action((options: AuditOptions) =>
      run(async () => (await import('../commands/audit.ts')).showAudit(terminal, environment, options), options.json),
    );
}
