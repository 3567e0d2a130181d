import type { Command } from 'commander';
import { Attestor } from '../audit/attestor.ts';
import { Audit } from '../audit/audit.ts';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { Database } from '../database/database.ts';
import { openKeyring } from '../keyring/open.ts';
import { rotateConfig } from './config.ts';
import { rotateLeaked } from './leaked.ts';
import { retireMacKeys } from './mac-keys.ts';
import { rotateProjects } from './projects.ts';
import { rotateRoot } from './root.ts';
import type { Rotation } from './rotation.ts';
import { keysStatus, tell } from './status.ts';

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
      'the former key was seen by others: replace every key that it could have opened, and seal, attest and sign anew',
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
          if (options.leaked) return void (await rotateLeaked(on, { root, previous }));
          await rotateRoot(on, { root, previous });
          on.say(
            'a root key that leaked could have opened every other key: then go to another root key with --leaked, which replaces them all',
          );
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
        await withRotation(readConfig(process.env), (on) => rotateProjects(on, options.project));
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

  keys
    .command('retire')
    .description('delete former keys of client secrets that no client secret needs any more')
    .option('--end', 'delete them even so: client secrets that have not logged in since their key was replaced end')
    .action((options: { end?: true }) =>
      run(() => withRotation(readConfig(process.env), (on) => retireMacKeys(on, { end: options.end ?? false }))),
    );
}

async function withRotation(config: Config, work: (on: Rotation) => Promise<void>): Promise<void> {
  const uri = config.DB_CONNECTION_URI;
  if (uri === undefined)
    throw new ConfigError('DB_CONNECTION_URI is not set; it names the database whose keys these are');
  const db = new Database({ uri, connections: 4, applicationName: 'kms-server keys' });
  try {
    const keyring = await openKeyring(db, config.ROOT_ENCRYPTION_KEY, config.ROOT_ENCRYPTION_KEY_PREVIOUS);
    // What is sealed anew in tables that grant something is attested like any other change of them.
    db.guardCommits(new Attestor(keyring));
    const say = (line: string) => process.stderr.write(`kms-server: ${line}\n`);
    await work({ db, keyring, audit: new Audit(db, keyring), say });
  } finally {
    await db.close();
  }
}
