import { join } from 'node:path';
import { z } from 'zod';
import { isClientSecretShape } from '../../keys/index.ts';
import { readOwnIfThere, removeDurably, writeDurably } from '../durable-file.ts';
import { UserError } from '../problem.ts';

/** What the first call says. It is stored whole, so that a repetition after a crash says exactly the same. */
export const FirstCall = z.strictObject({
  url: z.string(),
  email: z.string(),
  organization: z.string(),
  organizationSlug: z.string(),
  credential: z.string().refine(isClientSecretShape, 'not a client secret'),
});
export type FirstCall = z.infer<typeof FirstCall>;

/** Where the call waits until it is answered. */
export const firstCallFile = (folder: string) => join(folder, 'first-credential.json');

/** The first call that a run before this one began and did not finish. */
export async function readFirstCall(folder: string): Promise<FirstCall | undefined> {
  const file = firstCallFile(folder);
  const text = await readOwnIfThere(file);
  if (text === undefined) return undefined;
  try {
    return FirstCall.parse(JSON.parse(text));
  } catch {
    throw new UserError(
      `${file} is not what an earlier run wrote`,
      'restore it, or remove it and go on with --recover',
    );
  }
}

/** Stores the call before it is made. Two first runs at once: one of them is refused here. */
export async function storeFirstCall(folder: string, call: FirstCall): Promise<void> {
  await writeDurably(firstCallFile(folder), `${JSON.stringify(call, null, 2)}\n`, { exclusive: true });
}

/** Removes the call with its credential, durably. */
export const forgetFirstCall = (folder: string) => removeDurably(firstCallFile(folder));
