import { MAC_KEY } from '../keyring/instance-keys.ts';
import { opensUnder } from '../keyring/roots.ts';
import { readInstanceKeys } from '../keyring/store.ts';
import { handOverAuditKey } from './audit-key.ts';
import { resealConfig } from './config.ts';
import { auditUnderWay, EVERY_KEY, openUnder, replaceInstanceKeys } from './instance.ts';
import { nameMacVersion } from './instance-store.ts';
import { keepFormerMacKeys, retireMacKeys } from './mac-keys.ts';
import type { IsNewKey } from './project.ts';
import { rotateProjects } from './projects.ts';
import { beginRoot, finishRoot, prove, type RootKeys, type Wraps } from './root.ts';
import { type Rotation, RotationStopped, requireOfReplicas } from './rotation.ts';

/**
 * Goes to another root key because the former one was seen by others, and leaves no key in force that it could have opened: those of
 * projects, of configuration, of client secrets and of the audit are all replaced, and what they sealed or vouched for is made anew.
 * The former keys are retired before the root moves and are never wrapped under the new one: a row of them that somebody puts back
 * opens under nothing. A run that was killed is run again, and goes on where it was.
 *
 * @throws RotationStopped when rows do not open, at the end of all else
 */
export async function rotateLeaked(on: Rotation, keys: RootKeys): Promise<Wraps> {
  const { db, keyring, say } = on;
  const { root, previous } = keys;
  await requireOfReplicas(
    db,
    ({ auditKeyVersion }) => auditKeyVersion !== null,
    "take over another key of the audit's, being of an older version; update it first",
  );
  const begun = (await beginRoot(on, keys)) === 'begun';
  if (!begun) {
    say(
      'the keys were wrapped under this root key before they were replaced: whoever wrote the database since could put the old ones back',
    );
  }
  // Those that older servers made say no version: the oldest is the one that is kept longest.
  const versions = (await readInstanceKeys(db))
    .filter(({ purpose }) => purpose === MAC_KEY)
    .map(({ version }) => version);
  await nameMacVersion(db, Math.min(...versions));
  const isNew = begun ? openUnder(root, keyring.instanceId) : auditUnderWay;
  await resealConfig(on, await replaceInstanceKeys(on, EVERY_KEY, isNew));
  say('refresh tokens, service tokens, recovery codes and open links are over: make them anew');
  const isNewKey: IsNewKey = (id, { version, wrapped }) =>
    opensUnder(root, 'wrap-project-key', wrapped, { id, version });
  const failed = await rotateProjects(on, undefined, begun ? isNewKey : undefined).catch((error: unknown) => {
    if (!(error instanceof RotationStopped)) throw error;
    return error;
  });
  await handOverAuditKey(on);
  await finishRoot(on, keys, (tx) => keepFormerMacKeys(tx, on, [root, previous]));
  await keyring.refresh();
  await retireMacKeys(on, { end: false });
  const wraps = await prove(on, keys);
  if (failed) {
    throw new RotationStopped(
      `${failed.message}\nall else is done; the leaked key could open the keys that these rows keep: then run kms-server keys rotate-project --all`,
    );
  }
  return wraps;
}
