import type { Command } from 'commander';
import { Attestor } from '../audit/attestor.ts';
import { Audit } from '../audit/audit.ts';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { Database } from '../database/database.ts';
import { openKeyring } from '../keyring/keyring.ts';
import { rotateConfig } from './config.ts';
import { rotateProject } from './project.ts';
import { rotateRoot } from './root.ts';
import { type Rotation, RotationStopped } from './rotation.ts';
import { keysStatus, tell } from './status.ts';
import { findProjects } from './store.ts';

type Run = (command: () => Promise<void>) => Promise<void>;

/** `kms-server keys …`: what is done with keys while the servers run. */
export function keysCommands(program: Command, run: Run): void {
  const keys = program.command('keys').description('the keys in operation; see docs/keys.md');

  keys
    .command('status')
    .description('fingerprints, counts per key version, and which replica holds what')
    .option('--json', 'print it as JSON')
    .action((options: { json?: true }) =>
      run(async () => {
        const config = readConfig(process.env);
        await withRotation(config, async ({ db, keyring }) => {
          const { ROOT_ENCRYPTION_KEY: root, ROOT_ENCRYPTION_KEY_PREVIOUS: previous } = config;
          const status = await keysStatus({ db, keyring, root, previous });
          process.stdout.write(options.json ? `${JSON.stringify(status, null, 2)}\n` : tell(status));
        });
      }),
    );

  keys
    .command('rotate-root')
    .description('wrap every key anew under ROOT_ENCRYPTION_KEY, from ROOT_ENCRYPTION_KEY_PREVIOUS')
    .option(
      '--leaked',
      'the former key was seen by others: replace the keys of projects, configuration and client secrets too',
    )
    .action((options: { leaked?: true }) =>
      run(async () => {
        const config = readConfig(process.env);
        await withRotation(config, async (on) => {
          const { ROOT_ENCRYPTION_KEY: root, ROOT_ENCRYPTION_KEY_PREVIOUS: previous } = config;
          if (previous === undefined) {
            throw new ConfigError(
              'ROOT_ENCRYPTION_KEY_PREVIOUS is not set; it is the root key that this rotation comes from',
            );
          }
          await rotateRoot(on, { root, previous });
          if (!options.leaked) {
            on.say(
              'a root key that leaked could have opened every project key: then run this again with --leaked, which seals all anew',
            );
            return;
          }
          await rotateConfig(on, { leaked: true });
          on.say('refresh tokens, service tokens, recovery codes and open links are over: make them anew');
          await rotateAll(on, undefined);
        });
      }),
    );

  keys
    .command('rotate-project')
    .description("give projects another data key, and seal their values, history and people's own values anew")
    .option('--project <slug>', 'one project, by its slug or id')
    .option('--all', 'every project')
    .action((options: { project?: string; all?: true }) =>
      run(async () => {
        if ((options.project === undefined) === (options.all === undefined)) {
          throw new ConfigError('say which: --project <slug>, or --all');
        }
        await withRotation(readConfig(process.env), (on) => rotateAll(on, options.project));
      }),
    );

  keys
    .command('rotate-config')
    .description('give the instance another configuration key, and seal OIDC client secrets and TOTP seeds anew')
    .action(() =>
      run(() =>
        withRotation(readConfig(process.env), async (on) => {
          await rotateConfig(on);
        }),
      ),
    );
}

async function rotateAll(on: Rotation, name: string | undefined): Promise<void> {
  const projects = await findProjects(on.db, name);
  if (name !== undefined && projects.length === 0) throw new ConfigError(`there is no project "${name}"`);
  if (name !== undefined && projects.length > 1) {
    const ids = projects.map(({ id }) => id).join(', ');
    throw new ConfigError(`${projects.length} organizations have a project "${name}"; name one by its id: ${ids}`);
  }
  const failed: string[] = [];
  for (const [done, project] of projects.entries()) {
    try {
      const { version, rows } = await rotateProject(on, project);
      on.say(
        `${done + 1} of ${projects.length}: project ${project.slug} is at version ${version}, ${rows} rows sealed anew`,
      );
    } catch (error) {
      if (!(error instanceof RotationStopped)) throw error;
      failed.push(error.message);
    }
  }
  if (failed.length > 0) throw new RotationStopped(failed.join('\n'));
}

async function withRotation(config: Config, work: (on: Rotation) => Promise<void>): Promise<void> {
  const uri = config.DB_CONNECTION_URI;
  if (uri === undefined)
    throw new ConfigError('DB_CONNECTION_URI is not set; it names the database whose keys these are');
  const db = new Database({ uri, connections: 2, applicationName: 'kms-server keys' });
  try {
    const keyring = await openKeyring(db, config.ROOT_ENCRYPTION_KEY, config.ROOT_ENCRYPTION_KEY_PREVIOUS);
    // What is sealed anew in tables that grant something is attested like any other change of them.
    db.guardCommits(new Attestor(keyring.audit));
    const say = (line: string) => process.stderr.write(`kms-server: ${line}\n`);
    await work({ db, keyring, audit: new Audit(db, keyring.audit), say });
  } finally {
    await db.close();
  }
}
