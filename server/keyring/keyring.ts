import type { KeyObject } from 'node:crypto';
import {
  type DataKey,
  deriveKey,
  keyCheck,
  newAuditSigningKey,
  newClientSecretMacKey,
  newDataKey,
  type RootKey,
  rootFingerprint,
  sameMac,
  unwrapKey,
  wrapKey,
} from '../../keys/index.ts';
import type { Database, Db } from '../database/database.ts';
import { insertInstanceKey, insertProjectKey, lockInstance, readInstanceKeys, setRoot } from './store.ts';

/** The server was given another root key than the one that this database was made with. */
export class WrongRootKey extends Error {
  override readonly name = 'WrongRootKey';
}

const DATA_KEYS_AT_MOST = 20_000;

/** Every key that this process works with, opened once. What is stored is wrapped by the root key; see keys/. */
export class Keyring {
  readonly instanceId: string;
  readonly #root: RootKey;
  /** Makes the MACs of client secrets. Random and made once, so that rotating root or AUTH_SECRET kills none of them. */
  readonly clientSecretMacKey: KeyObject;
  /** Makes the ETags, alike on every replica; keyed, so that a tag cannot be used to test a guess of the content. */
  readonly etagKey: KeyObject;
  readonly #dataKeys = new Map<string, DataKey>();

  constructor(instanceId: string, root: RootKey, clientSecretMacKey: KeyObject) {
    this.instanceId = instanceId;
    this.#root = root;
    this.clientSecretMacKey = clientSecretMacKey;
    this.etagKey = deriveKey(root, 'content-tag');
  }

  /** The fingerprint of the root key in use, as `kms-bootstrap init` prints it. */
  get rootFingerprint(): string {
    return rootFingerprint(this.#root);
  }

  /** A project's key, by its version. A version's key never changes, so it is opened once. */
  dataKey(projectId: string, version: number, wrapped: Buffer): DataKey {
    const name = `${projectId}/${version}`;
    const known = this.#dataKeys.get(name);
    if (known) return known;
    const key = unwrapKey(this.#root, 'wrap-project-key', wrapped, { id: projectId, version });
    if (this.#dataKeys.size >= DATA_KEYS_AT_MOST) this.#dataKeys.clear();
    this.#dataKeys.set(name, key);
    return key;
  }

  /** Makes a project's first key, in the transaction that makes the project. */
  async addProjectKey(tx: Db, projectId: string): Promise<void> {
    const version = 1;
    const wrapped = wrapKey(this.#root, 'wrap-project-key', newDataKey(), { id: projectId, version });
    await insertProjectKey(tx, projectId, version, wrapped);
  }
}

const MAC_KEY = 'client-secret-mac';
const AUDIT_KEY = 'audit-signing';

/**
 * Opens the instance's keys, or makes them in an empty database. The root key is checked before anything is served.
 *
 * @throws WrongRootKey, naming the fingerprint found and the one needed
 */
export async function openKeyring(db: Database, root: RootKey): Promise<Keyring> {
  return db.transaction(async (tx) => {
    const instance = await lockInstance(tx);
    const found = rootFingerprint(root);
    if (instance.rootCheck === null) await setRoot(tx, found, keyCheck(root));
    else if (!sameMac(instance.rootCheck, keyCheck(root))) {
      throw new WrongRootKey(
        `ROOT_ENCRYPTION_KEY has the fingerprint ${found}, but this database was made with ${instance.rootFingerprint}; ` +
          'put back the key from kms-secrets or the recovery kit',
      );
    }
    const stored = new Map((await readInstanceKeys(tx)).map((key) => [key.purpose, key]));
    const macKey = stored.get(MAC_KEY);
    if (!stored.has(AUDIT_KEY)) {
      const context = { id: instance.id, version: 1 };
      await insertInstanceKey(tx, AUDIT_KEY, 1, wrapKey(root, 'wrap-audit-signing-key', newAuditSigningKey(), context));
    }
    return new Keyring(
      instance.id,
      root,
      macKey ? openMacKey(root, instance.id, macKey) : await makeMacKey(tx, root, instance.id),
    );
  });
}

function openMacKey(root: RootKey, instanceId: string, stored: { version: number; wrapped: Buffer }): KeyObject {
  return unwrapKey(root, 'wrap-client-secret-mac-key', stored.wrapped, { id: instanceId, version: stored.version });
}

async function makeMacKey(tx: Db, root: RootKey, instanceId: string): Promise<KeyObject> {
  const key = newClientSecretMacKey();
  await insertInstanceKey(
    tx,
    MAC_KEY,
    1,
    wrapKey(root, 'wrap-client-secret-mac-key', key, { id: instanceId, version: 1 }),
  );
  return key;
}
