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
  type WrapContext,
  type WrapLabel,
  wrapKey,
} from '../../keys/index.ts';
import type { Database, Db } from '../database/database.ts';
import { unavailable } from '../refusal.ts';
import {
  hasSealedBatches,
  type InstanceKeyRow,
  type InstanceRow,
  insertInstanceKey,
  insertProjectKey,
  lockInstance,
  readInstanceKeys,
  readRootCheck,
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
  /** Every root key that this process was given; the first wraps what is new. */
  #roots: readonly RootKey[];
  /** Makes the ETags, alike on every replica; keyed, so that a tag cannot be used to test a guess of the content. */
  readonly etagKey: KeyObject;
  /** Sign the audit's heads, and attest what the database must not make up. */
  readonly audit: AuditKeys;
  readonly #db: Db;
  readonly #dataKeys = new Map<string, DataKey>();
  readonly #configKeys = new Map<number, ConfigKey>();
  /** The newest first. */
  #macKeys: { readonly version: number; readonly key: KeyObject }[] = [];

  /** @param roots the one that the database names first, then another that a rotation goes to or comes from */
  constructor(db: Db, instanceId: string, roots: readonly RootKey[], stored: readonly InstanceKeyRow[]) {
    this.#db = db;
    this.instanceId = instanceId;
    this.#roots = roots;
    this.#takeMacKeys(stored);
    this.etagKey = deriveKey(roots[0]!, 'content-tag');
    const signing = newestOf(stored, AUDIT_KEY)!;
    const context = { id: instanceId, version: signing.version };
    this.audit = auditKeys(this.#unwrap('wrap-audit-signing-key', signing.wrapped, context), signing.version);
    this.#takeConfigKeys(stored);
  }

  /** The fingerprint of the root key in use, as `kms-bootstrap init` prints it. */
  get rootFingerprint(): string {
    return rootFingerprint(this.#roots[0]!);
  }

  /** The fingerprints of all root keys that this process holds. */
  get rootFingerprints(): string[] {
    return this.#roots.map(rootFingerprint);
  }

  /** Whether this process can open what is wrapped under the root key of this fingerprint. */
  opens(fingerprint: string | null): boolean {
    return fingerprint !== null && this.rootFingerprints.includes(fingerprint);
  }

  /**
   * Makes the MACs of client secrets, and proves whatever else comes back to the server. Random, so that rotating root or
   * AUTH_SECRET changes nothing; it is replaced when the root key leaked.
   */
  get clientSecretMacKey(): KeyObject {
    return this.#macKeys[0]!.key;
  }

  /** Those before it: client secrets are recognized by them until they are next used, and nothing else is. */
  get formerClientSecretMacKeys(): KeyObject[] {
    return this.#macKeys.slice(1).map(({ key }) => key);
  }

  get configKeyVersion(): number {
    return Math.max(...this.#configKeys.keys());
  }

  /** Looks for keys of the instance that were made since. */
  async refresh(): Promise<void> {
    const stored = await readInstanceKeys(this.#db);
    this.#takeMacKeys(stored);
    this.#takeConfigKeys(stored);
  }

  /** While a rotation runs, some keys are wrapped under one root and some under the other. */
  #unwrap<Label extends WrapLabel>(label: Label, wrapped: Buffer, context: WrapContext) {
    return unwrapUnder(this.#roots, label, wrapped, context).key;
  }

  /** Wraps a key under the root key that the database names at this moment: a rotation may have moved it since the start. */
  async wrap(tx: Db, label: WrapLabel, key: KeyObject, context: WrapContext): Promise<Buffer> {
    const check = await readRootCheck(tx);
    const root = this.#roots.find((held) => check !== null && sameMac(keyCheck(held), check));
    if (root === undefined)
      throw unavailable('the root key was rotated to one that this server does not hold; restart it');
    return wrapKey(root, label, key, context);
  }

  /** A project's key, by its version. A version's key never changes, so it is opened once. */
  dataKey(projectId: string, version: number, wrapped: Buffer): DataKey {
    const name = `${projectId}/${version}`;
    const known = this.#dataKeys.get(name);
    if (known) return known;
    const key = this.#unwrap('wrap-project-key', wrapped, { id: projectId, version });
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
    const keyVersion = this.configKeyVersion;
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

  #takeMacKeys(stored: readonly InstanceKeyRow[]): void {
    const known = new Set(this.#macKeys.map(({ version }) => version));
    const made = stored
      .filter(({ purpose, version }) => purpose === MAC_KEY && !known.has(version))
      .map(({ version, wrapped }) => ({
        version,
        key: this.#unwrap('wrap-client-secret-mac-key', wrapped, { id: this.instanceId, version }),
      }));
    if (made.length > 0) this.#macKeys = [...this.#macKeys, ...made].sort((a, b) => b.version - a.version);
  }

  #takeConfigKeys(stored: readonly InstanceKeyRow[]): void {
    for (const { purpose, version, wrapped } of stored) {
      if (purpose !== CONFIG_KEY || this.#configKeys.has(version)) continue;
      this.#configKeys.set(version, this.#unwrap('wrap-config-key', wrapped, { id: this.instanceId, version }));
    }
  }

  /** Makes a project's first key, in the transaction that makes the project. */
  async addProjectKey(tx: Db, projectId: string): Promise<void> {
    await this.addProjectKeyVersion(tx, projectId, 1);
  }

  /** Makes another version of a project's key; what is written from then on is sealed under it. */
  async addProjectKeyVersion(tx: Db, projectId: string, version: number): Promise<void> {
    const wrapped = await this.wrap(tx, 'wrap-project-key', newDataKey(), { id: projectId, version });
    await insertProjectKey(tx, projectId, version, wrapped);
  }

  /** Makes another version of the key that recognizes client secrets. */
  async addMacKeyVersion(tx: Db, version: number): Promise<void> {
    const wrapped = await this.wrap(tx, 'wrap-client-secret-mac-key', newClientSecretMacKey(), {
      id: this.instanceId,
      version,
    });
    await insertInstanceKey(tx, MAC_KEY, version, wrapped);
  }

  /** Makes another version of the configuration key, and seals under it from then on. */
  async addConfigKeyVersion(tx: Db, version: number): Promise<void> {
    const wrapped = await this.wrap(tx, 'wrap-config-key', newConfigKey(), { id: this.instanceId, version });
    await insertInstanceKey(tx, CONFIG_KEY, version, wrapped);
  }
}

export const MAC_KEY = 'client-secret-mac';
const AUDIT_KEY = 'audit-signing';
export const CONFIG_KEY = 'config';

/** Every key of an instance: how it is named in the table and under which label it is wrapped, and how the first is made. */
export const INSTANCE_KEYS = [
  { purpose: MAC_KEY, label: 'wrap-client-secret-mac-key', make: newClientSecretMacKey },
  { purpose: AUDIT_KEY, label: 'wrap-audit-signing-key', make: newAuditSigningKey },
  { purpose: CONFIG_KEY, label: 'wrap-config-key', make: newConfigKey },
] as const;

function newestOf(stored: readonly InstanceKeyRow[], purpose: string): InstanceKeyRow | undefined {
  return stored.filter((key) => key.purpose === purpose).sort((a, b) => b.version - a.version)[0];
}

/**
 * Opens a wrapped key with whichever of these root keys it was wrapped under. Which one that is, the key itself proves; a
 * column that said so could be changed by whoever changes rows.
 *
 * @throws SealBroken when none of them opens it
 */
export function unwrapUnder<Label extends WrapLabel>(
  roots: readonly RootKey[],
  label: Label,
  wrapped: Buffer,
  context: WrapContext,
): { readonly key: ReturnType<typeof unwrapKey<Label>>; readonly root: RootKey } {
  for (const [at, root] of roots.entries()) {
    try {
      return { key: unwrapKey(root, label, wrapped, context), root };
    } catch (error) {
      if (!(error instanceof SealBroken) || at === roots.length - 1) throw error;
    }
  }
  throw new SealBroken('no root key was given');
}

/** The root keys of a process, the one that the database was made with first. @throws WrongRootKey when none is that */
function orderRoots(instance: InstanceRow, root: RootKey, previous?: RootKey): RootKey[] {
  const { rootCheck, rootFingerprint: named, nextRootCheck, nextRootFingerprint } = instance;
  const held =
    previous === undefined || rootFingerprint(previous) === rootFingerprint(root) ? [root] : [root, previous];
  if (rootCheck === null) return held;
  const found = held.map(rootFingerprint).join(' and ');
  const first = held.find((key) => sameMac(rootCheck, keyCheck(key)));
  if (first === undefined) {
    throw new WrongRootKey(
      `ROOT_ENCRYPTION_KEY has the fingerprint ${found}, but this database was made with ${named}; ` +
        'put back the key from kms-secrets or the recovery kit',
    );
  }
  if (nextRootCheck !== null && !held.some((key) => sameMac(nextRootCheck, keyCheck(key)))) {
    throw new WrongRootKey(
      `the root key is being rotated from ${named} to ${nextRootFingerprint}, and ROOT_ENCRYPTION_KEY has ${found}; ` +
        'set ROOT_ENCRYPTION_KEY to the new key and ROOT_ENCRYPTION_KEY_PREVIOUS to the former one',
    );
  }
  return [first, ...held.filter((key) => key !== first)];
}

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
    for (const { purpose, label, make } of INSTANCE_KEYS) {
      if (newestOf(stored, purpose)) continue;
      if (purpose === AUDIT_KEY && (await hasSealedBatches(tx))) throw new AuditKeyMissing(AUDIT_KEY_GONE);
      const wrapped = wrapKey(roots[0]!, label, make(), { id: instance.id, version: 1 });
      await insertInstanceKey(tx, purpose, 1, wrapped);
      stored.push({ purpose, version: 1, wrapped, createdAt: new Date() });
    }
    return new Keyring(db, instance.id, roots, stored);
  });
}
