import { HIDDEN_VALUE, type Secret } from '../../contracts/index.ts';
import type { Keyring } from '../keyring/keyring.ts';
import { notFound } from '../refusal.ts';
import type { PersonalRow } from './fill-store.ts';
import { type Opened, openSecret } from './seal.ts';
import type { SecretRow } from './store.ts';

/** Who writes, as far as is known without a look at their membership. */
type Writer = { readonly id: string; readonly kind: string; readonly name: string };

type At = { readonly environment: string; readonly path: string };

export const where = (project: string, { environment, path }: At) =>
  `project "${project}", environment "${environment}", path "${path}"`;

export const noSecret = (project: string, at: At, key: string) =>
  notFound(`secret "${key}" not found in ${where(project, at)}`);

/** A row as the API shows it (Infisical's secret object of today). */
export function toSecret(
  keyring: Keyring,
  projectId: string,
  environment: string,
  row: SecretRow,
  withValue: boolean,
): Secret {
  return showSecret(
    projectId,
    environment,
    row,
    openSecret(keyring, projectId, row, { value: withValue, comment: true, metadata: withValue }),
  );
}

/** A written secret, with its value only for those who may read it: the right to change one shows nothing of it. */
export function showWritten(
  keyring: Keyring,
  projectId: string,
  environment: string,
  rights: { mayRead(row: SecretRow): boolean },
  row: SecretRow,
): Secret {
  return rights.mayRead(row)
    ? toSecret(keyring, projectId, environment, row, true)
    : showSecret(projectId, environment, row, {});
}

/** As `toSecret`, of what was opened; without a value it is shown as hidden. */
export function showSecret(
  projectId: string,
  environment: string,
  row: SecretRow,
  { value, comment, metadata }: Partial<Opened>,
): Secret {
  const recipients = row.reminder?.recipients ?? [];
  return {
    id: row.id,
    _id: row.id,
    workspace: projectId,
    environment,
    secretPath: row.path,
    version: row.version,
    type: 'shared',
    secretKey: row.key,
    secretValue: value ?? HIDDEN_VALUE,
    secretValueHidden: value === undefined,
    secretComment: comment ?? '',
    skipMultilineEncoding: row.skipMultilineEncoding,
    secretReminderNote: row.reminder?.note ?? null,
    secretReminderRepeatDays: row.reminder?.repeatDays ?? null,
    ...(recipients.length > 0 ? { secretReminderRecipients: [...recipients] } : {}),
    secretMetadata: metadata ?? row.metadata.map(hiddenMetadata),
    tags: [...row.tags],
    actor: writerOf(row),
    isRotatedSecret: false,
    rotationId: null,
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
}

/** The part of a row that was written just now that says by whom. */
export const writtenBy = ({ id, kind, name }: Writer) => ({ writtenBy: id, writerKind: kind, writerName: name });

function writerOf(row: Pick<SecretRow, 'writtenBy'> & Partial<SecretRow>): Secret['actor'] {
  const { writtenBy, writerKind, writerName, writerMembershipId, writerGroupId } = row;
  if (!writtenBy) return null;
  return {
    actorId: writtenBy,
    actorType: writerKind ?? null,
    name: writerName ?? null,
    membershipId: writerMembershipId ?? null,
    groupId: writerGroupId ?? null,
  };
}

/** Metadata of a secret that was not opened: the sealed values stay hidden, as the secret's own does. */
const hiddenMetadata = ({ key, value }: SecretRow['metadata'][number]) => ({
  key,
  value: value ?? HIDDEN_VALUE,
  isEncrypted: value === undefined,
});

/** A person's own value, as the API shows it: the shared secret with what is the person's in its place. */
export function showPersonal(
  projectId: string,
  environment: string,
  row: SecretRow,
  personal: Pick<PersonalRow, 'id' | 'version' | 'createdAt' | 'updatedAt'>,
  opened: Partial<Opened>,
  owner: Writer,
): Secret {
  return {
    ...showSecret(projectId, environment, row, opened),
    id: personal.id,
    _id: personal.id,
    version: personal.version,
    type: 'personal',
    actor: writerOf(writtenBy(owner)),
    createdAt: personal.createdAt.toISOString(),
    updatedAt: personal.updatedAt.toISOString(),
  };
}
