import type { KeyObject } from 'node:crypto';
import {
  type AuditKeys,
  auditKeys,
  type ConfigKey,
  configKeyVersion,
  type DataKey,
  deriveKey,
  keyCheck,
  newAuditSigningKey,
  newClientSecretMacKey,
  newConfigKey,
  newDataKey,
  openConfig,
  type RootKey,
  rootFingerprint,
  SealBroken,
  sameMac,
  sealConfig,
  unwrapKey,
  wrapKey,
} from '../../keys/index.ts';
import type { Database, Db } from '../database/database.ts';
import {
  hasSealedBatches,
  type InstanceKeyRow,
  insertInstanceKey,
  insertProjectKey,
  lockInstance,
  readInstanceKeys,
  setRoot,
} from './store.ts';

/** The server was given another root key than the one that this database was made with. */
export class WrongRootKey extends Error {
  override readonly name = 'WrongRootKey';
}

/** Somebody removed the key that the audit is signed with. A new one would hide that, so the server does not make it. */
export class AuditKeyMissing extends Error {
  override readonly name = 'AuditKeyMissing';
}
const AUDIT_KEY_GONE =
  'the signing key of the audit is gone from the database, though batches were signed with it; restore the table instance_keys from a backup';

const DATA_KEYS_AT_MOST = 20_000;

/** Every key that this process works with, opened once. What is stored is wrapped by the root key; see keys/. */
export class Keyring {
  readonly instanceId: string;
  readonly #root: RootKey;
  /** Makes the MACs of client secrets. Random and made once, so that rotating root or AUTH_SECRET kills none of them. */
  readonly clientSecretMacKey: KeyObject;
  /** Makes the ETags, alike on every replica; keyed, so that a tag cannot be used to test a guess of the content. */
  readonly etagKey: KeyObject;
  /** Sign the audit's heads, and attest what the database must not make up. */
  readonly audit: AuditKeys;
  readonly #db: Db;
  readonly #dataKeys = new Map<string, DataKey>();
  readonly #configKeys = new Map<number, ConfigKey>();

  constructor(db: Db, instanceId: string, root: RootKey, stored: readonly InstanceKeyRow[]) {
    this.#db = db;
    this.instanceId = instanceId;
    this.#root = root;
    const { version, wrapped } = newestOf(stored, MAC_KEY)!;
    this.clientSecretMacKey = unwrapKey(root, 'wrap-client-secret-mac-key', wrapped, { id: instanceId, version });
    this.etagKey = deriveKey(root, 'content-tag');
    const signing = newestOf(stored, AUDIT_KEY)!;
    const context = { id: instanceId, version: signing.version };
    this.audit = auditKeys(unwrapKey(root, 'wrap-audit-signing-key', signing.wrapped, context), signing.version);
    this.#takeConfigKeys(stored);
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

  /**
   * Seals a secret that the instance itself needs (an OIDC client secret, a TOTP seed) for one purpose and one owner: it
   * opens for no other. Store what comes back in one bytea column, and list that column in `sealed-columns.ts`, so that
   * rotations find it.
   */
  async sealConfig(purpose: string, ownerId: string, text: string): Promise<Buffer> {
    const keyVersion = Math.max(...this.#configKeys.keys());
    const place = { instanceId: this.instanceId, purpose, ownerId, keyVersion };
    return sealConfig(this.#configKeys.get(keyVersion)!, place, Buffer.from(text, 'utf8'));
  }

  /** Opens what `sealConfig` sealed for the same purpose and owner. @throws SealBroken, UnknownFormat */
  async openConfig(purpose: string, ownerId: string, sealed: Buffer): Promise<string> {
    const keyVersion = configKeyVersion(sealed);
    // Another replica, or a rotation, may have sealed under a key that was made since this process looked.
    if (!this.#configKeys.has(keyVersion)) this.#takeConfigKeys(await readInstanceKeys(this.#db));
    const key = this.#configKeys.get(keyVersion);
    if (key === undefined) throw new SealBroken('sealed under a configuration key that this instance does not have');
    return openConfig(key, { instanceId: this.instanceId, purpose, ownerId, keyVersion }, sealed).toString('utf8');
  }

  #takeConfigKeys(stored: readonly InstanceKeyRow[]): void {
    for (const { purpose, version, wrapped } of stored) {
      if (purpose !== CONFIG_KEY || this.#configKeys.has(version)) continue;
      this.#configKeys.set(
        version,
        unwrapKey(this.#root, 'wrap-config-key', wrapped, { id: this.instanceId, version }),
      );
    }
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
const CONFIG_KEY = 'config';

/** Every key of an instance: how it is named in the table and under which label it is wrapped, and how the first is made. */
const INSTANCE_KEYS = [
  { purpose: MAC_KEY, label: 'wrap-client-secret-mac-key', make: newClientSecretMacKey },
  { purpose: AUDIT_KEY, label: 'wrap-audit-signing-key', make: newAuditSigningKey },
  { purpose: CONFIG_KEY, label: 'wrap-config-key', make: newConfigKey },
] as const;

function newestOf(stored: readonly InstanceKeyRow[], purpose: string): InstanceKeyRow | undefined {
  return stored.filter((key) => key.purpose === purpose).sort((a, b) => b.version - a.version)[0];
}

/**
 * Opens the instance's keys, or makes those that are missing. The root key is checked before anything is served.
 *
 * @throws WrongRootKey, naming the fingerprint found and the one needed; AuditKeyMissing
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
    const stored = await readInstanceKeys(tx);
    for (const { purpose, label, make } of INSTANCE_KEYS) {
      if (newestOf(stored, purpose)) continue;
      if (purpose === AUDIT_KEY && (await hasSealedBatches(tx))) throw new AuditKeyMissing(AUDIT_KEY_GONE);
      const wrapped = wrapKey(root, label, make(), { id: instance.id, version: 1 });
      await insertInstanceKey(tx, purpose, 1, wrapped);
      stored.push({ purpose, version: 1, wrapped });
    }
    return new Keyring(db, instance.id, root, stored);
  });
}
