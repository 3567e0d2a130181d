import type { z } from 'zod';
import type { ImportedSecrets, Secret, SecretsAnswer } from '../contracts/secrets.ts';
import { addressQuery, type FolderAddress, SECRETS_PATH } from './address.ts';
import { UnexpectedAnswer } from './errors.ts';
import type { Session } from './session.ts';
import { type Check, flag, listOf, object, optional, readerOf, text } from './shape.ts';

/** What a program needs of a secret. */
export type FoundSecret = Pick<
  Secret,
  'secretKey' | 'secretValue' | 'secretValueHidden' | 'secretPath' | 'environment' | 'type' | 'workspace'
>;

/** A whole answer about a folder. */
export interface Look extends Pick<z.infer<typeof SecretsAnswer>, 'folder'> {
  readonly secrets: FoundSecret[];
  /** What the folder imports, the earliest import first. */
  readonly imports: (Pick<z.infer<typeof ImportedSecrets>, 'secretPath' | 'environment' | 'folderId'> & {
    readonly secrets: FoundSecret[];
  })[];
  /** To ask with whether it is still the present one; undefined when the server sends none. */
  readonly etag: string | undefined;
}

/** How to look at a folder. */
export interface LookOptions {
  /** With the folders below. @default false */
  readonly recursive?: boolean;
  /** Whether what the folder imports comes along. @default true */
  readonly imports?: boolean;
  /** Whether a person's own values stand in place of the shared ones. @default false */
  readonly personal?: boolean;
  /** Of the answer that the caller has. */
  readonly etag?: string | undefined;
  readonly signal?: AbortSignal;
}

/** The id of something, which is written down where there is no place for a long story. */
const id: Check = (value, path) =>
  typeof value === 'string' && /^[\w-]{1,64}$/.test(value) ? undefined : { path, message: 'expected an id' };

const secret = object({
  secretKey: text,
  secretValue: text,
  secretValueHidden: flag,
  secretPath: text,
  environment: text,
  type: text,
  workspace: id,
});
/** The answer to a look, checked without zod. */
export const LookAnswer = readerOf<Omit<Look, 'etag'>>(
  object({
    secrets: listOf(secret),
    imports: listOf(object({ secretPath: text, environment: text, folderId: text, secrets: listOf(secret) })),
    folder: optional(object({ id, projectId: id, changeId: id })),
  }),
);

/**
 * All secrets of a folder with what it imports and with references expanded.
 *
 * @returns undefined when the answer that `etag` names is still the present one (304)
 */
export async function lookAt(
  session: Session,
  at: FolderAddress,
  { recursive = false, imports = true, personal = false, etag: known, signal }: LookOptions = {},
): Promise<Look | undefined> {
  const call = {
    method: 'GET',
    path: SECRETS_PATH,
    query: {
      ...addressQuery(at),
      recursive,
      includeImports: imports,
      expandSecretReferences: true,
      ...(personal ? { includePersonalOverrides: true } : {}),
    },
    answer: LookAnswer,
    ...(known === undefined ? {} : { headers: { 'if-none-match': known } }),
    ...(signal ? { signal } : {}),
  } as const;
  const { answer, etag } = await session.exchange(call);
  if (!answer && known === undefined)
    throw new UnexpectedAnswer(`${call.method} ${call.path}: 304, though no copy was named`);
  return answer && { ...answer, etag };
}
