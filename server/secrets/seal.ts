import type { SecretMetadata } from '../../contracts/index.ts';
import { openValue, type PersonalPlace, type Place, sealValue } from '../../keys/index.ts';
import { atBroken, type BrokenSecret } from '../keyring/broken.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { PersonalRow, ReadRow } from './fill-store.ts';
import { mayRefer } from './references.ts';
import type { SecretRow } from './store.ts';
import type { SecretWrite } from './write-store.ts';

/** The one place of the server that touches ciphertext: a row in, text out, and the reverse. */

export interface Opened {
  readonly value: string;
  readonly comment: string;
  readonly metadata: SecretMetadata[];
}

interface Home {
  readonly projectId: string;
  readonly environmentId: string;
  readonly folderId: string;
}

function placeOf(
  home: Home,
  row: Pick<SecretRow, 'id' | 'key' | 'version' | 'keyVersion'>,
  field: Place['field'],
): Place {
  return {
    projectId: home.projectId,
    environmentId: home.environmentId,
    folderId: home.folderId,
    secretId: row.id,
    keyName: row.key,
    version: row.version,
    keyVersion: row.keyVersion,
    field,
  };
}

/**
 * Opens what is asked for of a row, and nothing else.
 *
 * @throws SealBroken when the row was altered, or moved from where it was written
 */
export function openSecret(
  keyring: Keyring,
  projectId: string,
  row: SecretRow,
  wanted: Readonly<Record<keyof Opened, boolean>>,
): Partial<Opened> {
  const home = { projectId, environmentId: row.environmentId, folderId: row.folderId };
  const open = (sealed: Buffer, field: Place['field']) =>
    known({ projectId, ...row, field }, () => {
      const key = keyring.dataKey(projectId, row.keyVersion, row.wrappedKey);
      return openValue(key, placeOf(home, row, field), sealed).toString('utf8');
    });
  return {
    ...(wanted.value ? { value: open(row.sealedValue, 'value') } : {}),
    ...(wanted.comment ? { comment: row.sealedComment === null ? '' : open(row.sealedComment, 'comment') } : {}),
    ...(wanted.metadata ? { metadata: openMetadata(row, (sealed) => open(sealed, 'metadata')) } : {}),
  };
}

/** The values that are sealed lie together in one list, in the order of the entries that have none of their own. */
function openMetadata(
  row: Pick<SecretRow, 'metadata' | 'sealedMetadata'>,
  open: (sealed: Buffer) => string,
): SecretMetadata[] {
  const sealed: string[] = row.sealedMetadata === null ? [] : JSON.parse(open(row.sealedMetadata));
  let next = 0;
  return row.metadata.map(({ key, value }) => ({
    key,
    value: value ?? sealed[next++]!,
    isEncrypted: value === undefined,
  }));
}

/** What of a secret is written as it is. */
type Unsealed = Pick<SecretWrite, 'id' | 'key' | 'version' | 'skipMultilineEncoding' | 'tagIds' | 'reminder'>;

/** Seals a secret for its place, under the project's newest key. An empty comment is not stored. */
export function sealSecret(
  keyring: Keyring,
  home: Home,
  key: { readonly version: number; readonly wrapped: Buffer },
  secret: Unsealed & Opened,
): SecretWrite {
  const dataKey = keyring.dataKey(home.projectId, key.version, key.wrapped);
  const { id, version, skipMultilineEncoding, tagIds, reminder, metadata } = secret;
  const at = { id, key: secret.key, version, keyVersion: key.version };
  const seal = (text: string, field: Place['field']) =>
    sealValue(dataKey, placeOf(home, at, field), Buffer.from(text, 'utf8'));
  const hidden = metadata.filter(({ isEncrypted }) => isEncrypted).map(({ value }) => value);
  return {
    ...at,
    environmentId: home.environmentId,
    folderId: home.folderId,
    sealedValue: seal(secret.value, 'value'),
    sealedComment: secret.comment === '' ? null : seal(secret.comment, 'comment'),
    skipMultilineEncoding,
    tagIds,
    reminder,
    metadata: metadata.map(({ key: name, value, isEncrypted }) => (isEncrypted ? { key: name } : { key: name, value })),
    sealedMetadata: hidden.length === 0 ? null : seal(JSON.stringify(hidden), 'metadata'),
    plain: !mayRefer(secret.value),
  };
}

/** Seals what a row holds anew: for another place or name, as its next version, or under the newest key. */
export function resealSecret(
  keyring: Keyring,
  row: SecretRow,
  to: {
    readonly home: Home;
    readonly key: { readonly version: number; readonly wrapped: Buffer };
    readonly id: string;
    readonly name: string;
    readonly version: number;
  },
): SecretWrite {
  const opened = openSecret(keyring, to.home.projectId, row, { value: true, comment: true, metadata: true }) as Opened;
  const { skipMultilineEncoding, reminder } = row;
  const tagIds = row.tags.map(({ id }) => id);
  const { id, name, version } = to;
  return sealSecret(keyring, to.home, to.key, {
    id,
    key: name,
    version,
    skipMultilineEncoding,
    reminder,
    tagIds,
    ...opened,
  });
}

/** Where a personal value belongs. */
type PersonalHome = Pick<PersonalPlace, 'projectId' | 'secretId' | 'ownerId'>;

/**
 * Opens a person's own value, after the shared one that it stands in for: its seal says that the name and the folder are
 * those that the shared secret was written with, which the personal seal does not say.
 *
 * @throws SealBroken when either was altered, or moved from where it was written
 */
export function openPersonal(
  keyring: Keyring,
  row: ReadRow,
  personal: PersonalRow,
  wanted: Readonly<Record<keyof Opened, boolean>>,
): Partial<Opened> {
  const { metadata } = openSecret(keyring, row.projectId, row, { ...wanted, value: true, comment: false });
  const { ownerId, version, keyVersion } = personal;
  const open = (sealed: Buffer, field: PersonalPlace['field']) => {
    const place = { projectId: row.projectId, secretId: row.id, ownerId, version, keyVersion, field };
    const opened = () => {
      const key = keyring.dataKey(row.projectId, keyVersion, personal.wrappedKey);
      return openValue(key, place, sealed).toString('utf8');
    };
    return known({ ...row, version, field, ownerId }, opened);
  };
  return {
    ...(wanted.value ? { value: open(personal.sealedValue, 'value') } : {}),
    ...(wanted.comment
      ? { comment: personal.sealedComment === null ? '' : open(personal.sealedComment, 'comment') }
      : {}),
    ...(metadata ? { metadata } : {}),
  };
}

/** Seals a person's own value. An empty comment is not stored. */
export function sealPersonal(
  keyring: Keyring,
  home: PersonalHome,
  key: { readonly version: number; readonly wrapped: Buffer },
  version: number,
  opened: Pick<Opened, 'value' | 'comment'>,
): { readonly keyVersion: number; readonly sealedValue: Buffer; readonly sealedComment: Buffer | null } {
  const dataKey = keyring.dataKey(home.projectId, key.version, key.wrapped);
  const seal = (text: string, field: PersonalPlace['field']) =>
    sealValue(dataKey, { ...home, version, keyVersion: key.version, field }, Buffer.from(text, 'utf8'));
  return {
    keyVersion: key.version,
    sealedValue: seal(opened.value, 'value'),
    sealedComment: opened.comment === '' ? null : seal(opened.comment, 'comment'),
  };
}

/** Opens something of a row, and remembers of an error which row it was: the error itself says nothing about it. */
function known<Result>(
  row: Pick<SecretRow, 'id' | 'environmentId' | 'key' | 'version'> &
    Pick<BrokenSecret, 'projectId' | 'field' | 'ownerId'>,
  open: () => Result,
): Result {
  try {
    return open();
  } catch (error) {
    const { projectId, environmentId, id: secretId, key, version, field, ownerId } = row;
    const own = ownerId === undefined ? {} : { ownerId };
    throw atBroken(error, { projectId, environmentId, secretId, key, version, field, ...own });
  }
}
