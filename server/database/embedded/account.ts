import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** The user that Postgres runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** For messages. */
  readonly name: string;
}

/** Users that exist on most machines and own nothing of worth; the first that exists is taken. */
const UNPRIVILEGED = ['postgres', 'nobody'];

export const isRoot = (): boolean => process.getuid?.() === 0;

/**
 * Postgres refuses to run as root, so root hands it to a user without rights.
 *
 * @throws Error when this machine has none of the users
 */
export async function unprivilegedAccount(): Promise<Account> {
  for (const name of UNPRIVILEGED) {
    const [uid, gid] = await Promise.all([lookUp('-u', name), lookUp('-g', name)]);
    if (uid && gid) return { name, uid, gid };
  }
  throw new Error(
    `Postgres cannot run as root, and this machine has no user ${UNPRIVILEGED.join(' or ')}; run as another user, or set DB_CONNECTION_URI`,
  );
}

async function lookUp(what: '-u' | '-g', name: string): Promise<number | undefined> {
  try {
    return Number((await promisify(execFile)('id', [what, name])).stdout);
  } catch {
    return undefined;
  }
}

/**
 * What a program of Postgres is started with. The environment is a new one: ours holds the keys of kms-secrets, which
 * are none of its business. The folder is `/` because ours may be closed to the account.
 */
export function runAs(account: Account | undefined) {
  return {
    cwd: '/',
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } satisfies NodeJS.ProcessEnv,
    ...(account && { uid: account.uid, gid: account.gid }),
  };
}

/** Whether the account can enter a folder, with every folder above: asked of the system, which knows ACLs and mounts. */
export async function canEnter(account: Account | undefined, folder: string): Promise<boolean> {
  try {
    await promisify(execFile)('/bin/sh', ['-c', 'test -x "$0"', folder], runAs(account));
    return true;
  } catch {
    return false;
  }
}
