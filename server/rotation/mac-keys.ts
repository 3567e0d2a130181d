import { type RootKey, wrapKey } from '../../keys/index.ts';
import type { Db } from '../database/database.ts';
import { FORMER_MAC_KEY, MAC_KEY, newestOf } from '../keyring/instance-keys.ts';
import { unwrapUnder } from '../keyring/roots.ts';
import { lockInstance, readInstanceKeys } from '../keyring/store.ts';
import { countMacs, moveInstanceKey, retireInstanceKey } from './instance-store.ts';
import { type Rotation, recordOf } from './rotation.ts';

/**
 * Keeps former keys of client secrets on for recognizing alone, wrapped for that. As what they were before, they are wrapped under
 * the root key that leaked and no other: whoever puts such a row back, and takes the newest away, has a server that does not start.
 */
export async function keepFormerMacKeys(tx: Db, { keyring }: Rotation, roots: readonly RootKey[]): Promise<void> {
  const stored = await readInstanceKeys(tx);
  const newest = newestOf(stored, MAC_KEY)!;
  for (const row of stored) {
    if (row.purpose !== MAC_KEY || row.version === newest.version) continue;
    const context = { id: keyring.instanceId, version: row.version };
    const { key } = unwrapUnder(roots, 'wrap-client-secret-mac-key', row.wrapped, context);
    const wrapped = wrapKey(roots[0]!, 'wrap-former-client-secret-mac-key', key, context);
    await moveInstanceKey(tx, row, FORMER_MAC_KEY, wrapped);
  }
}

/**
 * Deletes former keys of client secrets that none needs: each was used since, or has ended.
 *
 * @param end deletes those that are needed as well; their client secrets end
 */
export async function retireMacKeys(on: Rotation, { end }: { readonly end: boolean }): Promise<void> {
  const { db, audit, say } = on;
  await db.transaction(async (tx) => {
    await lockInstance(tx);
    const counts = await countMacs(tx);
    const unnamed = counts.find(({ version }) => version === null)?.rows ?? 0;
    const former = (await readInstanceKeys(tx)).filter(({ purpose }) => purpose === FORMER_MAC_KEY);
    if (former.length === 0) say('there is no former key of client secrets');
    for (const { version } of former) {
      const rows = unnamed + (counts.find((count) => count.version === version)?.rows ?? 0);
      if (rows > 0 && !end) {
        say(`version ${version} of the key of client secrets stays: ${rows} client secrets have not logged in since`);
        continue;
      }
      await retireInstanceKey(tx, FORMER_MAC_KEY, version);
      const metadata = { version, ended: rows };
      await audit.writeWithin(tx, [recordOf({ event: 'retire-client-secret-key', action: 'delete', metadata })]);
      say(`version ${version} of the key of client secrets is retired, and ${rows} client secrets with it`);
    }
  });
}
