import { openValue, type Place, sealValue } from '../../keys/index.ts';
import type { Keyring } from '../keyring/keyring.ts';
import type { SecretRow, SecretWrite } from './store.ts';

/** The one place of the server that touches ciphertext: a row in, text out, and the reverse. */

export interface Opened {
  readonly value: string;
  readonly comment: string;
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
  wanted: { readonly value: boolean; readonly comment: boolean },
): Partial<Opened> {
  const key = keyring.dataKey(projectId, row.keyVersion, row.wrappedKey);
  const home = { projectId, environmentId: row.environmentId, folderId: row.folderId };
  const open = (sealed: Buffer, field: Place['field']) =>
    openValue(key, placeOf(home, row, field), sealed).toString('utf8');
  return {
    ...(wanted.value ? { value: open(row.sealedValue, 'value') } : {}),
    ...(wanted.comment ? { comment: row.sealedComment === null ? '' : open(row.sealedComment, 'comment') } : {}),
  };
}

/** Seals a secret for its place, under the project's newest key. An empty comment is not stored. */
export function sealSecret(
  keyring: Keyring,
  home: Home,
  key: { readonly version: number; readonly wrapped: Buffer },
  secret: Pick<SecretWrite, 'id' | 'key' | 'version' | 'skipMultilineEncoding'> & Opened,
): SecretWrite {
  const dataKey = keyring.dataKey(home.projectId, key.version, key.wrapped);
  const at = { id: secret.id, key: secret.key, version: secret.version, keyVersion: key.version };
  const seal = (text: string, field: Place['field']) =>
    sealValue(dataKey, placeOf(home, at, field), Buffer.from(text, 'utf8'));
  return {
    ...at,
    sealedValue: seal(secret.value, 'value'),
    sealedComment: secret.comment === '' ? null : seal(secret.comment, 'comment'),
    skipMultilineEncoding: secret.skipMultilineEncoding,
  };
}
