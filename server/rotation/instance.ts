import type { RootKey } from '../../keys/index.ts';
import { AUDIT_KEY, CONFIG_KEY, INSTANCE_KEYS, kindOf, type MadeKind, newestOf } from '../keyring/instance-keys.ts';
import { opensUnder } from '../keyring/roots.ts';
import { type InstanceKeyRow, lockInstance, readInstanceKeys } from '../keyring/store.ts';
import { type Rotation, RotationStopped, recordOf, requireOfReplicas } from './rotation.ts';

/** Whether a key of the instance was made by the rotation that is under way. */
export type IsNew = (newest: InstanceKeyRow, all: readonly InstanceKeyRow[]) => boolean;

const made = INSTANCE_KEYS.filter((kind): kind is MadeKind => 'make' in kind);

/** What is replaced when only the configuration's key is: more than one version of it says that a run is under way. */
export const CONFIG_ALONE: readonly MadeKind[] = made.filter(({ purpose }) => purpose === CONFIG_KEY);
export const severalVersions: IsNew = ({ purpose }, all) => all.filter((key) => key.purpose === purpose).length > 1;

/** All of them, when the root key leaked. */
export const EVERY_KEY = made;

/**
 * Keys of this rotation are those that open under the new root key: nothing else is wrapped under it before the former ones are
 * retired.
 */
export const openUnder =
  (root: RootKey, instanceId: string): IsNew =>
  ({ purpose, version, wrapped }) =>
    opensUnder(root, kindOf(purpose)!.label, wrapped, { id: instanceId, version });

/** Where every key was wrapped under the new root already, a run is under way while the audit has a former key. */
export const auditUnderWay: IsNew = (_, all) => all.filter(({ purpose }) => purpose === AUDIT_KEY).length > 1;

/**
 * Makes another version of these keys, all in one transaction: a replica that knows one knows the others. Those of a run that was
 * killed are taken as they are.
 *
 * @returns the newest version of each
 */
export async function replaceInstanceKeys(
  { db, keyring, audit }: Rotation,
  kinds: readonly MadeKind[],
  isNew: IsNew,
): Promise<ReadonlyMap<string, number>> {
  const versions = await db.transaction(async (tx) => {
    await lockInstance(tx);
    const stored = await readInstanceKeys(tx);
    const result = new Map<string, number>();
    for (const kind of kinds) {
      const newest = newestOf(stored, kind.purpose)!;
      const goesOn = isNew(newest, stored);
      const version = goesOn ? newest.version : newest.version + 1;
      result.set(kind.purpose, version);
      if (goesOn) continue;
      await keyring.addInstanceKeyVersion(tx, kind, version);
      const metadata = { purpose: kind.purpose, from: newest.version, to: version };
      await audit.writeWithin(tx, [recordOf({ event: 'replace-instance-key', metadata })]);
    }
    return result;
  });
  await keyring.refresh();
  return versions;
}

const WAIT_MS = 30_000;
const LOOK_EVERY_MS = 500;

/** Replicas hear of new keys with their next report, some seconds later. */
export async function waitForReplicas({ db, say }: Rotation, versions: ReadonlyMap<string, number>): Promise<void> {
  const config = versions.get(CONFIG_KEY) ?? 0;
  const audit = versions.get(AUDIT_KEY) ?? 0;
  for (const deadline = performance.now() + WAIT_MS; ; ) {
    try {
      await requireOfReplicas(
        db,
        (replica) => replica.configKeyVersion >= config && (replica.auditKeyVersion ?? 0) >= audit,
        audit === 0
          ? `know version ${config} of the configuration key`
          : `know version ${config} of the configuration key and version ${audit} of the audit's`,
      );
      return;
    } catch (error) {
      if (!(error instanceof RotationStopped) || performance.now() > deadline) throw error;
      say('waiting for the replicas to work with the new keys');
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}
