import type { Inventory } from '../../contracts/inventory.ts';
import type { AuthSecret } from '../../keys/index.ts';
import { Kms } from '../../sdk/index.ts';
import { writeDurably } from '../durable-file.ts';
import {
  type FirstRun,
  type FirstRunOptions,
  firstAdmin,
  proverOf,
  recover,
  resume,
  takeOver,
} from '../first-run/first-run.ts';
import { readFirstCall } from '../first-run/state.ts';
import { adminFile, readAdminFile } from '../logins/reach.ts';

/** Enters the trial's instance as its admin: by the first run, by what is left of one, or by proof of kms-secrets. */
export async function enter(options: FirstRunOptions, inventory: Inventory): Promise<FirstRun & { email: string }> {
  const who = firstAdmin(inventory);
  const begun = await readFirstCall(options.state);
  // PORT may have changed since: the address is no mark of the trial's instance, its data folder is.
  if (begun) return { ...(await resume(options, begun)), email: begun.email };
  if (!(await new Kms(options.connection).admin.initialized()))
    return { ...(await takeOver(options, who)), email: who.email };
  const email = (await readAdminFile(options.state).catch(() => undefined))?.email ?? who.email;
  return { kms: await recover(options, email), email, finish: async () => {} };
}

/**
 * Writes admin.json, with a token of the admin's own, and keeps it fresh until it is told to stop. A token ends after two
 * hours; a trial may serve for days.
 */
export async function keepAdminFile(
  { connection, state, authSecret }: { connection: { url: string }; state: string; authSecret: AuthSecret },
  email: string,
): Promise<() => void> {
  let timer: NodeJS.Timeout | undefined;
  const refresh = async () => {
    const { accessToken: token, expiresIn } = await new Kms(connection).admin.recoverySession(
      email,
      proverOf(authSecret),
    );
    await writeDurably(adminFile(state), `${JSON.stringify({ url: connection.url, email, token }, null, 2)}\n`);
    schedule(expiresIn * 500);
  };
  const schedule = (ms: number) => {
    timer = setTimeout(() => refresh().catch(() => schedule(60_000)), ms).unref();
  };
  await refresh();
  return () => clearTimeout(timer);
}
