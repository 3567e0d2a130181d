import { configKeyVersion } from '../../keys/index.ts';
import { CONFIG_KEY } from '../keyring/instance-keys.ts';
import { CONFIG_COLUMNS } from '../keyring/sealed-columns.ts';
import { lockInstance } from '../keyring/store.ts';
import { CONFIG_ALONE, replaceInstanceKeys, severalVersions, waitForReplicas } from './instance.ts';
import { replaceConfig, retireInstanceKeys, sealedConfig } from './instance-store.ts';
import { type Rotation, recordOf } from './rotation.ts';

/** How much was sealed anew, and under which version of the key. */
export interface ResealedConfig {
  readonly version: number;
  readonly rows: number;
}

/**
 * Gives the instance another configuration key and seals OIDC client secrets, TOTP seeds and the like anew. The former key
 * goes when every replica has said that it seals under the new one and nothing is left under another.
 */
export async function rotateConfig(on: Rotation): Promise<ResealedConfig> {
  return resealConfig(on, await replaceInstanceKeys(on, CONFIG_ALONE, severalVersions));
}

/** Seals all configuration under the newest key, waits until every replica does, and retires the former key. */
export async function resealConfig(on: Rotation, versions: ReadonlyMap<string, number>): Promise<ResealedConfig> {
  const { db, say } = on;
  const version = versions.get(CONFIG_KEY)!;
  let rows = await resealAll(on, version);
  await waitForReplicas(on, versions);
  rows += await resealAll(on, version);
  await db.transaction(async (tx) => {
    await lockInstance(tx);
    await retireInstanceKeys(tx, CONFIG_KEY, version);
    await on.audit.writeWithin(tx, [recordOf({ event: 'rotate-config-key', metadata: { to: version, rows } })]);
  });
  say(`${rows} pieces of configuration sealed under version ${version}`);
  return { version, rows };
}

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
