import { randomUUID } from 'node:crypto';
import type { Keyring } from '../keyring/keyring.ts';
import type { Home } from './places.ts';
import { openSecret, sealSecret } from './seal.ts';
import type { Reminder, SecretRow } from './store.ts';
import type { NewSecret, SecretChange } from './write-requests.ts';
import type { SecretWrite } from './write-store.ts';

/** A project's data key, as the database has it. */
export interface StoredKey {
  readonly version: number;
  readonly wrapped: Buffer;
}

/** A secret that is to be made, sealed for its place. */
export function sealNew(keyring: Keyring, home: Home, key: StoredKey, secret: NewSecret): SecretWrite {
  return sealSecret(keyring, home, key, {
    id: randomUUID(),
    key: secret.secretKey,
    version: 1,
    skipMultilineEncoding: secret.skipMultilineEncoding ?? false,
    value: secret.secretValue,
    comment: secret.secretComment,
    tagIds: distinct(secret.tagIds ?? []),
    metadata: secret.secretMetadata ?? [],
    reminder: reminderOf(secret, null),
  });
}

/**
 * What a change makes of a secret, sealed for its place. What it replaces is not opened: a row that was broken in the
 * database can so be written anew.
 *
 * @throws SealBroken when something that the change keeps does not open
 */
export function sealNext(
  keyring: Keyring,
  home: Home,
  key: StoredKey,
  row: SecretRow,
  change: SecretChange,
): SecretWrite {
  const kept = openSecret(keyring, home.projectId, row, {
    value: change.secretValue === undefined,
    comment: change.secretComment === undefined,
    metadata: !change.secretMetadata,
  });
  return sealSecret(keyring, home, key, {
    id: row.id,
    key: change.newSecretName ?? row.key,
    version: row.version + 1,
    skipMultilineEncoding: change.skipMultilineEncoding ?? row.skipMultilineEncoding,
    value: change.secretValue ?? kept.value!,
    comment: change.secretComment ?? kept.comment!,
    tagIds: distinct(change.tagIds ?? row.tags.map(({ id }) => id)),
    metadata: change.secretMetadata ?? kept.metadata!,
    reminder: reminderOf(change, row.reminder),
  });
}

export const distinct = (ids: readonly string[]) => [...new Set(ids)];

/** The reminder after a change: what the change does not name stays, and one without an interval and a note is none. */
function reminderOf(given: NewSecret | SecretChange, before: Reminder | null): Reminder | null {
  const pick = <Value>(now: Value | null | undefined, then: Value | null) => (now === undefined ? then : now);
  const repeatDays = pick(given.secretReminderRepeatDays, before?.repeatDays ?? null);
  const note = pick(given.secretReminderNote, before?.note ?? null);
  const recipients = pick(given.secretReminderRecipients, before?.recipients ?? []) ?? [];
  return repeatDays === null && note === null && recipients.length === 0 ? null : { repeatDays, note, recipients };
}
