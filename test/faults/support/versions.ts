import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const REPOSITORY = join(import.meta.dirname, '../../..');
/** What a server consists of. */
const PROGRAM = ['server', 'contracts', 'keys', 'package.json'];
const MIGRATIONS = 'server/database/migrations';
const FILE = /^(\d{4})-[a-z0-9-]+\.sql$/;

/** The number of this version's newest migration. */
export const NEWEST = Math.max(...migrationsHere().map((file) => Number(FILE.exec(file)![1])));

function migrationsHere(): string[] {
  return readdirSync(join(REPOSITORY, MIGRATIONS)).filter((file) => FILE.test(file));
}

/** A program somewhere else, to be run beside ours. */
export class OtherVersion {
  readonly folder = mkdtempSync(join(tmpdir(), 'kms-version-'));
  readonly main = join(this.folder, 'server/main.ts');

  private constructor() {
    symlinkSync(join(REPOSITORY, 'node_modules'), join(this.folder, 'node_modules'));
  }

  /**
   * The version after this one: this program, and one migration more, which adds a column and an index where requests write.
   *
   * @param oldestServer the oldest that its migration lets run
   */
  static next(oldestServer: number): OtherVersion {
    const next = new OtherVersion();
    for (const part of PROGRAM) cpSync(join(REPOSITORY, part), join(next.folder, part), { recursive: true });
    next.#add(
      NEWEST + 1,
      oldestServer,
      `alter table secrets add column of_the_next_version text;
       alter table audit_log add column of_the_next_version text;
       create table of_the_next_version (id int primary key);`,
    );
    return next;
  }

  static at(commit: string): OtherVersion {
    const old = new OtherVersion();
    const archive = execFileSync('git', ['-C', REPOSITORY, 'archive', commit, ...PROGRAM], { maxBuffer: 1 << 28 });
    execFileSync('tar', ['-x', '-C', old.folder], { input: archive });
    return old;
  }

  #add(version: number, oldestServer: number, sql: string): void {
    const name = `${String(version).padStart(4, '0')}-of-the-next-version.sql`;
    mkdirSync(join(this.folder, MIGRATIONS), { recursive: true });
    writeFileSync(join(this.folder, MIGRATIONS, name), `-- A test's.\n-- oldest-server: ${oldestServer}\n\n${sql}\n`);
  }
}

/**
 * The oldest version in this clone's history that may run on this version's database: whose migrations are all among ours word by
 * word, and that none of ours leaves behind. A string says why there is none.
 */
export function olderVersion(): { readonly commit: string } | string {
  if (!existsSync(join(REPOSITORY, '.git'))) return 'skipped: no history here';
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', REPOSITORY, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    const ours = new Map(
      migrationsHere().map((file) => [file, git('hash-object', join(REPOSITORY, MIGRATIONS, file))]),
    );
    const needed = Math.max(
      ...[...ours.keys()].map((file) =>
        Number(/^-- oldest-server: (\d+)$/m.exec(readFileSync(join(REPOSITORY, MIGRATIONS, file), 'utf8'))![1]),
      ),
    );
    const mayRunOnOurs = (commit: string) => {
      const theirs = git('ls-tree', `${commit}:${MIGRATIONS}`)
        .split('\n')
        .map((line) => /^\S+ blob (\S+)\t(.+)$/.exec(line)!)
        .filter(([, , file]) => FILE.test(file!));
      const newest = Math.max(...theirs.map(([, , file]) => Number(FILE.exec(file!)![1])));
      return newest >= needed && theirs.every(([, hash, file]) => ours.get(file!) === hash);
    };
    let found: string | undefined;
    for (const commit of git('rev-list', '--first-parent', 'HEAD', '--', ...PROGRAM).split('\n')) {
      if (!mayRunOnOurs(commit)) break;
      found = commit;
    }
    const differs = found !== undefined && git('diff', '--name-only', found, '--', ...PROGRAM) !== '';
    return differs ? { commit: found! } : 'skipped: no older version in this history that fits the database';
  } catch {
    return 'skipped: this history cannot be read';
  }
}
