import { configKeyVersion } from '../../keys/index.ts';
import { CONFIG_KEY, MAC_KEY } from '../keyring/keyring.ts';
import { CONFIG_COLUMNS } from '../keyring/sealed-columns.ts';
import { type InstanceKeyRow, lockInstance, readInstanceKeys } from '../keyring/store.ts';
import { type Rotation, RotationStopped, recordOf, requireOfReplicas } from './rotation.ts';
import { replaceConfig, retireInstanceKeys, sealedConfig } from './store.ts';

/**
 * Gives the instance another configuration key and seals OIDC client secrets, TOTP seeds and the like anew. The former key
 * goes when every replica has said that it seals under the new one and nothing is left under another.
 *
 * @param leaked the former keys were seen by others: the one that recognizes client secrets is replaced in the same
 * transaction, so that a replica which knows the one knows the other
 */
export async function rotateConfig(
  on: Rotation,
  { leaked = false } = {},
): Promise<{ readonly version: number; readonly rows: number }> {
  const { db, keyring, say } = on;
  const version = await db.transaction(async (tx) => {
    await lockInstance(tx);
    const stored = await readInstanceKeys(tx);
    const [config, mac] = [newestOf(stored, CONFIG_KEY), newestOf(stored, MAC_KEY)];
    const goesOn = stored.filter(({ purpose }) => purpose === CONFIG_KEY).length > 1;
    // One that goes on replaced both, unless it was begun as the rotation of configuration alone.
    if (leaked && !(goesOn && mac.createdAt >= config.createdAt)) {
      await keyring.addMacKeyVersion(tx, mac.version + 1);
      const metadata = { from: mac.version, to: mac.version + 1 };
      await on.audit.writeWithin(tx, [recordOf({ event: 'rotate-client-secret-key', metadata })]);
    }
    if (goesOn) return config.version;
    await keyring.addConfigKeyVersion(tx, config.version + 1);
    return config.version + 1;
  });
  await keyring.refresh();
  let rows = await resealAll(on, version);
  await waitForReplicas(on, version);
  rows += await resealAll(on, version);
  await db.transaction(async (tx) => {
    await lockInstance(tx);
    await retireInstanceKeys(tx, CONFIG_KEY, version);
    await on.audit.writeWithin(tx, [recordOf({ event: 'rotate-config-key', metadata: { to: version, rows } })]);
  });
  say(`${rows} pieces of configuration sealed under version ${version}`);
  return { version, rows };
}

const newestOf = (stored: readonly InstanceKeyRow[], wanted: string): InstanceKeyRow =>
  stored.filter(({ purpose }) => purpose === wanted).sort((a, b) => b.version - a.version)[0]!;

async function resealAll({ db, keyring }: Rotation, version: number): Promise<number> {
  let rows = 0;
  for (const column of CONFIG_COLUMNS) {
    for (const before of await sealedConfig(db, column)) {
      if (configKeyVersion(before.sealed) === version) continue;
      const text = await keyring.openConfig(column.purpose, before.ownerId, before.sealed);
      await replaceConfig(db, column, before, await keyring.sealConfig(column.purpose, before.ownerId, text));
      rows++;
    }
  }
  return rows;
}

const WAIT_MS = 30_000;
const LOOK_EVERY_MS = 500;

/** Replicas hear of a new key with their next report, some seconds later. */
async function waitForReplicas({ db, say }: Rotation, version: number): Promise<void> {
  for (const deadline = performance.now() + WAIT_MS; ; ) {
    try {
      await requireOfReplicas(
        db,
        ({ configKeyVersion: known }) => known >= version,
        `know version ${version} of the configuration key`,
      );
      return;
    } catch (error) {
      if (!(error instanceof RotationStopped) || performance.now() > deadline) throw error;
      say('waiting for the replicas to seal under the new configuration key');
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
}
