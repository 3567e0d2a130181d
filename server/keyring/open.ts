import { keyCheck, type RootKey, rootFingerprint, wrapKey } from '../../keys/index.ts';
import type { Database } from '../database/database.ts';
import { AUDIT_KEY, INSTANCE_KEYS, newestOf } from './instance-keys.ts';
import { Keyring } from './keyring.ts';
import { orderRoots, Roots } from './roots.ts';
import { hasSealedBatches, insertInstanceKey, lockInstance, readInstanceKeys, setRoot } from './store.ts';

/** Somebody removed the key that the audit is signed with. A new one would hide that, so the server does not make it. */
export class AuditKeyMissing extends Error {
  override readonly name = 'AuditKeyMissing';
}
const AUDIT_KEY_GONE =
  'the signing key of the audit is gone from the database, though batches were signed with it; restore the table instance_keys from a backup';

/**
 * Opens the instance's keys, or makes those that are missing. The root key is checked before anything is served.
 *
 * @param previous the root key before this one, or the one that a rotation comes from
 * @throws WrongRootKey, naming the fingerprint found and the one needed
 */
export async function openKeyring(db: Database, root: RootKey, previous?: RootKey): Promise<Keyring> {
  return db.transaction(async (tx) => {
    const instance = await lockInstance(tx);
    const roots = orderRoots(instance, root, previous);
    if (instance.rootCheck === null) await setRoot(tx, rootFingerprint(root), keyCheck(root));
    const stored = await readInstanceKeys(tx);
    for (const kind of INSTANCE_KEYS) {
      const { purpose, label } = kind;
      if (!('make' in kind) || newestOf(stored, purpose)) continue;
      if (purpose === AUDIT_KEY && (await hasSealedBatches(tx))) throw new AuditKeyMissing(AUDIT_KEY_GONE);
      const wrapped = wrapKey(roots[0]!, label, kind.make(), { id: instance.id, version: 1 });
      await insertInstanceKey(tx, purpose, 1, wrapped);
      stored.push({ purpose, version: 1, wrapped, createdAt: new Date() });
    }
    return new Keyring(db, instance.id, new Roots(roots), stored);
  });
}
