import type { SecretMetadata } from '../../contracts/index.ts';
import type { ProjectReference } from '../access/access.ts';

/** The folder that a change is about. Items of a batch may name another path in the same environment. */
export interface Target {
  readonly project: ProjectReference;
  readonly environment: string;
  readonly path: string;
}

interface Extras {
  readonly secretPath?: string | undefined;
  readonly skipMultilineEncoding?: boolean | null | undefined;
  readonly tagIds?: readonly string[] | null | undefined;
  readonly secretMetadata?: SecretMetadata[] | null | undefined;
  readonly secretReminderRepeatDays?: number | null | undefined;
  readonly secretReminderNote?: string | null | undefined;
  readonly secretReminderRecipients?: readonly string[] | null | undefined;
}

/** A secret to be made. */
export interface NewSecret extends Extras {
  readonly secretKey: string;
  readonly secretValue: string;
  readonly secretComment: string;
}

/** What shall be different about a secret; what is absent stays. */
export interface SecretChange extends Extras {
  readonly secretKey: string;
  readonly secretValue?: string | undefined;
  readonly newSecretName?: string | undefined;
  readonly secretComment?: string | undefined;
}

/** A secret to be deleted. */
export interface SecretName {
  readonly secretKey: string;
  readonly secretPath?: string | undefined;
}

/** What to do with a changed key that is not there: fail the batch, make it, or leave it out. */
export type OnMissing = 'failOnNotFound' | 'upsert' | 'ignore';

/** Whether a change gives the secret another name. */
export const renames = ({ secretKey, newSecretName }: SecretChange) =>
  newSecretName !== undefined && newSecretName !== secretKey;
