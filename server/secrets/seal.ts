import type { SecretMetadata } from '../../contracts/index.ts';
import { openValue, type Place, sealValue } from '../../keys/index.ts';
import type { Keyring } from '../keyring/keyring.ts';
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
  const key = keyring.dataKey(projectId, row.keyVersion, row.wrappedKey);
  const home = { projectId, environmentId: row.environmentId, folderId: row.folderId };
  const open = (sealed: Buffer, field: Place['field']) =>
    openValue(key, placeOf(home, row, field), sealed).toString('utf8');
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
  };
}
