import type { KeyObject } from 'node:crypto';
import {
  type AuditKeys,
  auditKeys,
  type ConfigKey,
  isBrokenSeal,
  newAuditSigningKey,
  newClientSecretMacKey,
  newConfigKey,
  SealBroken,
  type WrapContext,
} from '../../keys/index.ts';
import type { Roots } from './roots.ts';
import type { InstanceKeyRow } from './store.ts';

export const MAC_KEY = 'client-secret-mac';
/** Former ones, after a leaked root key: under a name and a label of their own, so that none passes for the newest again. */
export const FORMER_MAC_KEY = 'client-secret-mac-former';
export const AUDIT_KEY = 'audit-signing';
export const CONFIG_KEY = 'config';

/** Every key of an instance: how it is named in the table, under which label it is wrapped, and how the first is made. */
export const INSTANCE_KEYS = [
  { purpose: MAC_KEY, label: 'wrap-client-secret-mac-key', make: newClientSecretMacKey },
  { purpose: FORMER_MAC_KEY, label: 'wrap-former-client-secret-mac-key' },
  { purpose: AUDIT_KEY, label: 'wrap-audit-signing-key', make: newAuditSigningKey },
  { purpose: CONFIG_KEY, label: 'wrap-config-key', make: newConfigKey },
] as const;

export type InstanceKeyKind = (typeof INSTANCE_KEYS)[number];
/** A kind of which there is always one. */
export type MadeKind = Extract<InstanceKeyKind, { readonly make: unknown }>;

export const kindOf = (purpose: string): InstanceKeyKind | undefined =>
  INSTANCE_KEYS.find((kind) => kind.purpose === purpose);

export function newestOf(stored: readonly InstanceKeyRow[], purpose: string): InstanceKeyRow | undefined {
  return stored.filter((key) => key.purpose === purpose).sort((a, b) => b.version - a.version)[0];
}

const doesNotOpen = ({ purpose, version }: InstanceKeyRow) =>
  new SealBroken(
    `the key "${purpose}" (version ${version}) of this instance does not open: somebody altered the table instance_keys; restore it from a backup`,
  );

/** A key of the instance that does not open: which one, and why. */
type TellBroken = (key: { readonly purpose: string; readonly version: number }, cause: Error) => void;

/** The keys of the instance as a process holds them, opened once. */
export class InstanceKeys {
  readonly #instanceId: string;
  readonly #roots: Roots;
  #macs: ReadonlyMap<number, KeyObject> = new Map();
  #formerMacs: ReadonlyMap<number, KeyObject> = new Map();
  #configs: ReadonlyMap<number, ConfigKey> = new Map();
  #audits: ReadonlyMap<number, AuditKeys> = new Map();
  /** All of the audit's, the newest first. */
  auditKeys: readonly AuditKeys[] = [];
  /** All that recognize client secrets, the newest first. */
  macKeys: readonly { readonly version: number; readonly key: KeyObject }[] = [];
  configKeyVersion = 0;

  constructor(instanceId: string, roots: Roots) {
    this.#instanceId = instanceId;
    this.#roots = roots;
  }

  configKey(version: number): ConfigKey | undefined {
    return this.#configs.get(version);
  }

  /**
   * Takes what is stored: new versions are opened, and those that were retired are forgotten. A key that is gone altogether is
   * kept: whoever deletes rows stops no server that runs.
   *
   * @param broken told of what does not open, which is passed by then. @default - it is thrown
   */
  take(stored: readonly InstanceKeyRow[], broken?: TellBroken): void {
    const context = (version: number): WrapContext => ({ id: this.#instanceId, version });
    const taken = <Key>(held: ReadonlyMap<number, Key>, purpose: string, open: (row: InstanceKeyRow) => Key) => {
      const rows = stored.filter((row) => row.purpose === purpose).sort((a, b) => b.version - a.version);
      const keys = new Map<number, Key>();
      for (const row of rows) {
        try {
          keys.set(row.version, held.get(row.version) ?? open(row));
        } catch (error) {
          if (broken === undefined) throw isBrokenSeal(error) ? doesNotOpen(row) : error;
          broken(row, error as Error);
        }
      }
      return keys.size === 0 && purpose !== FORMER_MAC_KEY ? held : keys;
    };
    this.#macs = taken(this.#macs, MAC_KEY, ({ version, wrapped }) =>
      this.#roots.unwrap('wrap-client-secret-mac-key', wrapped, context(version)),
    );
    this.#formerMacs = taken(this.#formerMacs, FORMER_MAC_KEY, ({ version, wrapped }) =>
      this.#roots.unwrap('wrap-former-client-secret-mac-key', wrapped, context(version)),
    );
    this.#configs = taken(this.#configs, CONFIG_KEY, ({ version, wrapped }) =>
      this.#roots.unwrap('wrap-config-key', wrapped, context(version)),
    );
    this.#audits = taken(this.#audits, AUDIT_KEY, ({ version, wrapped }) =>
      auditKeys(this.#roots.unwrap('wrap-audit-signing-key', wrapped, context(version)), version),
    );
    this.auditKeys = [...this.#audits.values()];
    this.configKeyVersion = Math.max(...this.#configs.keys());
    this.macKeys = [...this.#macs, ...this.#formerMacs].map(([version, key]) => ({ version, key }));
  }
}
