import { keyCheck, type RootKey, rootFingerprint, sameMac, type WrapLabel, wrapKey } from '../../keys/index.ts';
import type { Db } from '../database/database.ts';
import { kindOf } from '../keyring/instance-keys.ts';
import { unwrapUnder, WrongRootKey } from '../keyring/roots.ts';
import { lockInstance, readInstanceKeys } from '../keyring/store.ts';
import { rewrapInstanceKey } from './instance-store.ts';
import { type Rotation, RotationStopped, recordOf, requireOfReplicas } from './rotation.ts';
import { announceRoot, moveRoot, projectKeysAfter, rewrapProjectKey, type WrappedProjectKey } from './store.ts';

const KEYS_AT_ONCE = 500;

export interface RootKeys {
  readonly root: RootKey;
  readonly previous: RootKey;
}

/** How many wrapped keys there are, by what opens them. */
export interface Wraps {
  underNew: number;
  underFormer: number;
  /** Opened by neither: damaged, or of a key that nobody gave. */
  broken: string[];
}

/**
 * Wraps every key anew under another root key, while all replicas serve. They hold both keys before the first wrap, and
 * go by what opens each; the database's own check value moves last, when nothing is left under the former key. A run that
 * was killed is run again: what is done is recognized by opening it, and passed by.
 */
export async function rotateRoot(on: Rotation, keys: RootKeys): Promise<Wraps> {
  await beginRoot(on, keys);
  await rewrapAll(on, keys);
  await finishRoot(on, keys);
  return prove(on, keys);
}

/**
 * Has every server hold both root keys, and wraps what is new under the new one from then on.
 *
 * @returns `moved` where the database is under the new one already
 */
export async function beginRoot(on: Rotation, { root, previous }: RootKeys): Promise<'moved' | 'begun'> {
  const { db, say } = on;
  const [next, former] = [rootFingerprint(root), rootFingerprint(previous)];
  const state = await db.transaction(async (tx) => {
    const instance = await lockInstance(tx);
    if (instance.rootCheck !== null && sameMac(instance.rootCheck, keyCheck(root))) return 'moved';
    if (instance.rootCheck === null || !sameMac(instance.rootCheck, keyCheck(previous))) {
      throw new WrongRootKey(
        `this database was made with the root key ${instance.rootFingerprint}; ROOT_ENCRYPTION_KEY has ${next} and ` +
          `ROOT_ENCRYPTION_KEY_PREVIOUS ${former}`,
      );
    }
    return 'begun';
  });
  if (state === 'moved') say(`the root key is ${next} already; looking for keys that were left under ${former}`);
  else await begin(on, root, previous);
  return state;
}

async function begin(on: Rotation, root: RootKey, previous: RootKey): Promise<void> {
  const [next, former] = [rootFingerprint(root), rootFingerprint(previous)];
  const holdsBoth = ({ rootFingerprints }: { rootFingerprints: readonly string[] }) =>
    [next, former].every((fingerprint) => rootFingerprints.includes(fingerprint));
  const lacking =
    `hold both root keys (${next} and ${former}); roll ROOT_ENCRYPTION_KEY and ROOT_ENCRYPTION_KEY_PREVIOUS ` +
    'out to every replica first';
  const replicas = await requireOfReplicas(on.db, holdsBoth, lacking);
  on.say(`${replicas.length} replicas hold ${next} and ${former}`);
  await on.db.transaction(async (tx) => {
    await lockInstance(tx);
    await announceRoot(tx, next, keyCheck(root));
  });
  // One that started between the question and the announcement would have been let in with the former key alone.
  await requireOfReplicas(on.db, holdsBoth, lacking);
}

async function rewrapAll(on: Rotation, { root, previous }: RootKeys): Promise<void> {
  let [seen, wrapped] = [0, 0];
  for (let last: WrappedProjectKey | undefined; ; ) {
    const keys = await projectKeysAfter(on.db, last, KEYS_AT_ONCE);
    if (keys.length === 0) break;
    wrapped += await on.db.transaction(async (tx) => {
      let done = 0;
      for (const key of keys) {
        const again = rewrapped(root, previous, 'wrap-project-key', key.wrapped, {
          id: key.projectId,
          version: key.version,
        });
        if (again === undefined) continue;
        await rewrapProjectKey(tx, key, again);
        done++;
      }
      return done;
    });
    seen += keys.length;
    last = keys.at(-1);
    on.say(`${seen} project keys looked at, ${wrapped} wrapped anew`);
  }
}

/** The key under the new root, or nothing when it is there already, or opens under neither. */
function rewrapped(
  root: RootKey,
  previous: RootKey,
  label: WrapLabel,
  wrapped: Buffer,
  context: { id: string; version: number },
) {
  try {
    const opened = unwrapUnder([root, previous], label, wrapped, context);
    return opened.root === root ? undefined : wrapKey(root, label, opened.key, context);
  } catch {
    return undefined;
  }
}

/**
 * Moves the check value, in one transaction with the keys of the instance and whatever was made since.
 *
 * @param before done in the same transaction, before it
 */
export async function finishRoot(
  on: Rotation,
  { root, previous }: RootKeys,
  before: (tx: Db) => Promise<void> = async () => undefined,
): Promise<void> {
  const [next, former] = [rootFingerprint(root), rootFingerprint(previous)];
  await requireOfReplicas(
    on.db,
    ({ rootFingerprints }) => rootFingerprints.includes(next),
    `hold the new root key ${next}; roll it out again`,
  );
  await on.db.transaction(async (tx) => {
    // Whoever wraps a key holds this row until they have committed: behind this lock nothing new comes under the former.
    const instance = await lockInstance(tx);
    await before(tx);
    for (const key of await readInstanceKeys(tx)) {
      const kind = kindOf(key.purpose);
      if (kind === undefined)
        throw new RotationStopped(`the instance has a key "${key.purpose}" that this version does not know`);
      const again = rewrapped(root, previous, kind.label, key.wrapped, { id: instance.id, version: key.version });
      if (again) await rewrapInstanceKey(tx, key, again);
    }
    for (let last: WrappedProjectKey | undefined; ; ) {
      const keys = await projectKeysAfter(tx, last, KEYS_AT_ONCE);
      if (keys.length === 0) break;
      for (const key of keys) {
        const again = rewrapped(root, previous, 'wrap-project-key', key.wrapped, {
          id: key.projectId,
          version: key.version,
        });
        if (again) await rewrapProjectKey(tx, key, again);
      }
      last = keys.at(-1);
    }
    await moveRoot(tx, next, keyCheck(root));
    await on.audit.writeWithin(tx, [recordOf({ event: 'rotate-root-key', metadata: { from: former, to: next } })]);
  });
  on.say(`the root key of this database is ${next}`);
}

/** Opens every wrapped key: the count is the proof. @throws RotationStopped when some are not under the new root key */
export async function prove(on: Rotation, keys: RootKeys): Promise<Wraps> {
  const wraps = await countWraps(on, keys);
  on.say(
    `${wraps.underNew} keys under ${rootFingerprint(keys.root)}, ${wraps.underFormer} under the former, ${wraps.broken.length} open under neither`,
  );
  if (wraps.underFormer > 0) throw new RotationStopped('some keys are still under the former root key; run this again');
  if (wraps.broken.length > 0) {
    throw new RotationStopped(
      `these keys open under neither root key: ${wraps.broken.slice(0, 20).join(', ')}; restore them from a backup`,
    );
  }
  return wraps;
}

export async function countWraps(
  on: Pick<Rotation, 'db' | 'keyring'>,
  { root, previous }: { readonly root: RootKey; readonly previous?: RootKey | undefined },
): Promise<Wraps> {
  const wraps: Wraps = { underNew: 0, underFormer: 0, broken: [] };
  const roots = previous === undefined ? [root] : [root, previous];
  const count = (name: string, label: WrapLabel, wrapped: Buffer, context: { id: string; version: number }) => {
    try {
      if (unwrapUnder(roots, label, wrapped, context).root === root) wraps.underNew++;
      else wraps.underFormer++;
    } catch {
      wraps.broken.push(name);
    }
  };
  for (const { purpose, version, wrapped } of await readInstanceKeys(on.db)) {
    const kind = kindOf(purpose);
    if (kind) count(`${purpose}/${version}`, kind.label, wrapped, { id: on.keyring.instanceId, version });
  }
  for (let last: WrappedProjectKey | undefined; ; ) {
    const keys = await projectKeysAfter(on.db, last, KEYS_AT_ONCE);
    for (const { projectId, version, wrapped } of keys) {
      count(`project ${projectId}/${version}`, 'wrap-project-key', wrapped, { id: projectId, version });
    }
    if (keys.length === 0) return wraps;
    last = keys.at(-1);
  }
}
