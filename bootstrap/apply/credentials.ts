import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Inventory } from '../../contracts/inventory.ts';
import type { Kms } from '../../sdk/index.ts';
import { draftFile, FileExists, readIfThere, writeDurably } from '../durable-file.ts';
import { Ids } from '../live/ids.ts';
import { UserError } from '../problem.ts';

/** What a service needs to log in, as `<folder>/<identity>.json` (HIP-27, "Machine Identity Lifecycle", step 4). */
export const CredentialFile = z.object({ clientId: z.string(), clientSecret: z.string() });

/** Where the credentials of an identity are kept. */
export const credentialFile = (folder: string, identity: string) => join(folder, `${identity}.json`);

/**
 * Mints a client secret for each identity of the inventory that has no file yet, and writes it, where git does not see it. The file's place is made
 * before the secret, and a secret that could not be written is revoked. Killed between the answer and the file, a secret that
 * nobody knows stays live: "kms-bootstrap" in the identity's list of client secrets, never used.
 */
export async function mintCredentials(
  kms: Kms,
  ids: Ids,
  inventory: Inventory,
  folder: string,
  onDone: (identity: string) => void = () => {},
): Promise<string[]> {
  const minted: string[] = [];
  const identities = identitiesOf(inventory);
  for (const { organization, identity } of identities) {
    const file = credentialFile(folder, identity);
    if ((await readIfThere(file)) !== undefined) continue;
    if (minted.length === 0)
      await keepFromGit(
        folder,
        identities.map((each) => each.identity),
      );
    await mint(kms, Ids.of(ids.identity, organization, identity), file);
    minted.push(identity);
    onDone(identity);
  }
  return minted;
}

/**
 * Has git leave a folder out, whatever repository it is in: `git add .` would otherwise publish it. Only one that holds nothing but such files:
 * in the folder of a repository it would hide all the rest.
 */
async function keepFromGit(folder: string, identities: readonly string[]): Promise<void> {
  const there = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  if (!there.every((name) => identities.some((identity) => name.startsWith(`${identity}.json`)))) return;
  await writeDurably(join(folder, '.gitignore'), '*\n', { exclusive: true }).catch((error: unknown) => {
    // Another run was faster.
    if (!(error instanceof FileExists)) throw error;
  });
}

async function mint(kms: Kms, identityId: string, file: string): Promise<void> {
  const { clientId } = await kms.identities.universalAuth(identityId);
  const draft = await draftFile(file);
  const made = await kms.identities
    .createClientSecret(identityId, { description: 'kms-bootstrap' })
    .catch(async (error) => {
      await draft.discard();
      throw error;
    });
  try {
    await draft.commit(`${JSON.stringify({ clientId, clientSecret: made.clientSecret }, null, 2)}\n`, {
      exclusive: true,
    });
  } catch (error) {
    await kms.identities.revokeClientSecret(identityId, made.clientSecretData.id);
    throw new UserError(
      `${file} could not be written, so the new client secret was revoked: ${(error as Error).message}`,
    );
  }
}

/** The identities of an inventory; refused when two of them would share a file, or a name is none for a file. */
export function identitiesOf(inventory: Inventory): { organization: string; identity: string }[] {
  const all = inventory.organizations.flatMap(({ slug, identities }) =>
    identities.map(({ name }) => ({ organization: slug, identity: name })),
  );
  for (const { identity } of all) {
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(identity)) {
      throw new UserError(
        `identity "${identity}" cannot be the name of a credentials file`,
        'use letters, digits, ".", "_" and "-"',
      );
    }
    if (all.filter((other) => other.identity.toLowerCase() === identity.toLowerCase()).length > 1) {
      throw new UserError(`two organizations have an identity "${identity}", and its credentials file can be only one`);
    }
  }
  return all;
}
