import { rm } from 'node:fs/promises';
import type { Inventory } from '../../contracts/inventory.ts';
import type { Kms } from '../../sdk/index.ts';
import { CredentialFile, credentialFile, identitiesOf } from '../apply/credentials.ts';
import { readIfThere } from '../durable-file.ts';
import { Ids } from '../live/ids.ts';

/**
 * Removes credentials that no longer work: those of a database that is gone, since the trial's folder can be cleared in
 * part, and those whose client secret was revoked. New ones are made in their place.
 */
export async function dropStaleCredentials(kms: Kms, ids: Ids, inventory: Inventory, folder: string): Promise<void> {
  await Promise.all(
    identitiesOf(inventory).map(async ({ organization, identity }) => {
      const file = credentialFile(folder, identity);
      const text = await readIfThere(file);
      if (text === undefined) return;
      const id = Ids.of(ids.identity, organization, identity);
      const [{ clientId }, live] = await Promise.all([
        kms.identities.universalAuth(id),
        kms.identities.clientSecrets(id),
      ]);
      const kept = read(text);
      const works = live.some(({ clientSecretPrefix }) => kept?.clientSecret.startsWith(clientSecretPrefix));
      if (kept?.clientId !== clientId || !works) await rm(file);
    }),
  );
}

function read(text: string): { clientId: string; clientSecret: string } | undefined {
  try {
    return CredentialFile.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
