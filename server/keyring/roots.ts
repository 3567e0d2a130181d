import {
  keyCheck,
  type RootKey,
  rootFingerprint,
  SealBroken,
  sameMac,
  unwrapKey,
  type WrapContext,
  type WrapLabel,
  wrapKey,
} from '../../keys/index.ts';
import type { Db } from '../database/database.ts';
import { unavailable } from '../refusal.ts';
import { type InstanceRow, readRootCheck } from './store.ts';

/** The server was given another root key than the one that this database was made with. */
export class WrongRootKey extends Error {
  override readonly name = 'WrongRootKey';
}

/** The root keys of a process: the one that the database names first, then another that a rotation goes to or comes from. */
export class Roots {
  readonly #held: readonly RootKey[];

  constructor(held: readonly RootKey[]) {
    this.#held = held;
  }

  get first(): RootKey {
    return this.#held[0]!;
  }

  get fingerprints(): string[] {
    return this.#held.map(rootFingerprint);
  }

  /** While a rotation runs, some keys are wrapped under one root and some under the other. */
  unwrap<Label extends WrapLabel>(label: Label, wrapped: Buffer, context: WrapContext) {
    return unwrapUnder(this.#held, label, wrapped, context).key;
  }

  /**
   * Wraps a key under the root key that the database names at this moment, a rotation's new one as soon as it is announced:
   * every replica holds it by then, and what is made from then on was never under the former one.
   */
  async wrap(tx: Db, label: WrapLabel, key: Parameters<typeof wrapKey>[2], context: WrapContext): Promise<Buffer> {
    const check = await readRootCheck(tx);
    const root = this.#held.find((held) => check !== null && sameMac(keyCheck(held), check));
    if (root === undefined)
      throw unavailable('the root key was rotated to one that this server does not hold; restart it');
    return wrapKey(root, label, key, context);
  }
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

/** Whether a wrapped key opens under this root key. */
export function opensUnder(root: RootKey, label: WrapLabel, wrapped: Buffer, context: WrapContext): boolean {
  try {
    unwrapKey(root, label, wrapped, context);
    return true;
  } catch {
    return false;
  }
}

/** The root keys of a process, the one that the database was made with first. @throws WrongRootKey when none is that */
export function orderRoots(instance: InstanceRow, root: RootKey, previous?: RootKey): RootKey[] {
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
