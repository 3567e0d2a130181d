import type { Db } from '../database/database.ts';
import { badRequest } from '../refusal.ts';
import { lockAdmins } from './members-store.ts';

/** An organization without an admin could be run by nobody. */
export async function keepOneAdmin(tx: Db, organizationId: string, leaving: string): Promise<void> {
  const admins = await lockAdmins(tx, organizationId);
  if (admins.length === 1 && admins[0] === leaving) {
    throw badRequest('this is the last admin of the organization; make somebody else admin first');
  }
}
