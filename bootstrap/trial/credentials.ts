import { rm } from 'node:fs/promises';
import type { Inventory } from '../../contracts/inventory.ts';
import type { Kms } from '../../sdk/index.ts';
import { CredentialFile, credentialFile, identitiesOf } from '../apply/credentials.ts';
import { readIfThere } from '../durable-file.ts';
import { Ids } from '../live/ids.ts';

/** Removes credentials of a database that is gone: the trial's folder can be cleared in part, and files outlive it. */
export async function dropStaleCredentials(kms: Kms, ids: Ids, inventory: Inventory, folder: string): Promise<void> {
  await Promise.all(
    identitiesOf(inventory).map(async ({ organization, identity }) => {
      const file = credentialFile(folder, identity);
      const text = await readIfThere(file);
      if (text === undefined) return;
      const { clientId } = await kms.identities.universalAuth(Ids.of(ids.identity, organization, identity));
      if (clientIdIn(text) !== clientId) await rm(file);
    }),
  );
}

function clientIdIn(text: string): string | undefined {
  try {
    return CredentialFile.parse(JSON.parse(text)).clientId;
  } catch {
    return undefined;
  }
}
