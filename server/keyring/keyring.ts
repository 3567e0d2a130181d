import type { KeyObject } from 'node:crypto';
import {
  type AuditKeys,
  configKeyVersion,
  type DataKey,
  deriveKey,
  newDataKey,
  openConfig,
  SealBroken,
  sealConfig,
} from '../../keys/index.ts';
import type { Db } from '../database/database.ts';
import { atBroken } from './broken.ts';
import { InstanceKeys, type MadeKind } from './instance-keys.ts';
import type { Roots } from './roots.ts';
import { type InstanceKeyRow, insertInstanceKey, insertProjectKey, readInstanceKeys } from './store.ts';

const DATA_KEYS_AT_MOST = 20_000;
/** Strangers can have the keys looked for again, and no more often than this. */
const LOOK_AGAIN_MS = 1_000;

/** Every key that this process works with, opened once. What is stored is wrapped by the root key; see keys/. */
export class Keyring {
  readonly instanceId: string;
  /** Makes the ETags, alike on every replica; keyed, so that a tag cannot be used to test a guess of the content. */
  readonly etagKey: KeyObject;
  /** Told of what does not open where no request fails over it. Its place goes with it (broken.ts). */
  onBroken: (cause: Error) => void = () => undefined;
  readonly #db: Db;
  readonly #roots: Roots;
  readonly #instance: InstanceKeys;
  readonly #dataKeys = new Map<string, DataKey>();
  #looked = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  /** @throws SealBroken when a key of the instance does not open */
  constructor(db: Db, instanceId: string, roots: Roots, stored: readonly InstanceKeyRow[]) {
    this.#db = db;
    this.instanceId = instanceId;
    this.#roots = roots;
    this.#instance = new InstanceKeys(instanceId, roots);
    this.#instance.take(stored);
    this.etagKey = deriveKey(roots.first, 'content-tag');
  }

  /** The fingerprint of the root key in use, as `kms-bootstrap init` prints it. */
  get rootFingerprint(): string {
    return this.rootFingerprints[0]!;
  }

  /** The fingerprints of all root keys that this process holds. */
  get rootFingerprints(): string[] {
    return this.#roots.fingerprints;
  }

  /** Whether this process can open what is wrapped under the root key of this fingerprint. */
  opens(fingerprint: string | null): boolean {
    return fingerprint !== null && this.rootFingerprints.includes(fingerprint);
  }

  /** Sign the audit's heads, and attest what the database must not make up: the newest. Ask anew each time, for it is replaced. */
  get audit(): AuditKeys {
    return this.#instance.auditKeys[0]!;
  }

  /** All of the audit's, the newest first: more than one while the key is being replaced. */
  get auditKeys(): readonly AuditKeys[] {
    return this.#instance.auditKeys;
  }

  /**
   * Makes the MACs of client secrets, and proves whatever else comes back to the server. Random, so that rotating root or
   * AUTH_SECRET changes nothing; it is replaced when the root key leaked.
   */
  get clientSecretMacKey(): KeyObject {
    return this.#instance.macKeys[0]!.key;
  }

  get clientSecretMacVersion(): number {
    return this.#instance.macKeys[0]!.version;
  }

  /** Those before it: client secrets are recognized by them until they are next used, and nothing else is. */
  get formerClientSecretMacKeys(): KeyObject[] {
    return this.#instance.macKeys.slice(1).map(({ key }) => key);
  }

  get configKeyVersion(): number {
    return this.#instance.configKeyVersion;
  }

  /** Looks for keys of the instance that were made or retired since. */
  async refresh(): Promise<void> {
    this.#instance.take(await readInstanceKeys(this.#db), ({ purpose, version }, cause) => {
      this.onBroken(atBroken(cause, { instanceKey: purpose, keyVersion: version }) as Error);
    });
  }

  /**
   * Looks, because something named a key that this process does not know: whoever asks meanwhile waits for the same look, and
   * the next one is a second later at the earliest.
   */
  async lookAgain(): Promise<void> {
    if (this.#looking === undefined) {
      if (performance.now() - this.#looked < LOOK_AGAIN_MS) return;
      this.#looked = performance.now();
      this.#looking = this.refresh().finally(() => {
        this.#looking = undefined;
      });
    }
    await this.#looking;
  }

  /** A project's key, by its version. A version's key never changes, so it is opened once. */
  dataKey(projectId: string, version: number, wrapped: Buffer): DataKey {
    const name = `${projectId}/${version}`;
    const known = this.#dataKeys.get(name);
    if (known) return known;
    const key = this.#openDataKey(projectId, version, wrapped);
    if (this.#dataKeys.size >= DATA_KEYS_AT_MOST) this.#dataKeys.clear();
    this.#dataKeys.set(name, key);
    return key;
  }

  #openDataKey(projectId: string, version: number, wrapped: Buffer): DataKey {
    try {
      return this.#roots.unwrap('wrap-project-key', wrapped, { id: projectId, version });
    } catch (error) {
      throw atBroken(error, { projectId, keyVersion: version });
    }
  }

  /**
   * Seals a secret that the instance itself needs (an OIDC client secret, a TOTP seed) for one purpose and one owner: it
   * opens for no other. Store what comes back in one bytea column, and list that column in `sealed-columns.ts`, so that
   * rotations find it.
   */
  async sealConfig(purpose: string, ownerId: string, text: string): Promise<Buffer> {
    const keyVersion = this.configKeyVersion;
    const place = { instanceId: this.instanceId, purpose, ownerId, keyVersion };
    return sealConfig(this.#instance.configKey(keyVersion)!, place, Buffer.from(text, 'utf8'));
  }

  /** Opens what `sealConfig` sealed for the same purpose and owner. @throws SealBroken, UnknownFormat */
  async openConfig(purpose: string, ownerId: string, sealed: Buffer): Promise<string> {
    try {
      const keyVersion = configKeyVersion(sealed);
      // Another replica, or a rotation, may have sealed under a key that was made since this process looked.
      if (this.#instance.configKey(keyVersion) === undefined) await this.refresh();
      const key = this.#instance.configKey(keyVersion);
      if (key === undefined) throw new SealBroken('sealed under a configuration key that this instance does not have');
      return openConfig(key, { instanceId: this.instanceId, purpose, ownerId, keyVersion }, sealed).toString('utf8');
    } catch (error) {
      throw atBroken(error, { purpose, ownerId });
    }
  }

  /** Makes a project's first key, in the transaction that makes the project. */
  async addProjectKey(tx: Db, projectId: string): Promise<void> {
    await this.addProjectKeyVersion(tx, projectId, 1);
  }

  /** Makes another version of a project's key; what is written from then on is sealed under it. */
  async addProjectKeyVersion(tx: Db, projectId: string, version: number): Promise<void> {
    const wrapped = await this.#roots.wrap(tx, 'wrap-project-key', newDataKey(), { id: projectId, version });
    await insertProjectKey(tx, projectId, version, wrapped);
  }

  /** Makes another version of a key of the instance; replicas work with it from their next look on. */
  async addInstanceKeyVersion(tx: Db, { purpose, label, make }: MadeKind, version: number): Promise<void> {
    const wrapped = await this.#roots.wrap(tx, label, make(), { id: this.instanceId, version });
    await insertInstanceKey(tx, purpose, version, wrapped);
  }
}
