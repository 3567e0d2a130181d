import type { Caller, ProjectReference } from '../access/access.ts';
import type { SecretRow } from './store.ts';

/**
 * What becomes of a person's own values: `none` are looked at; they stand `first`, in place of the shared ones; `beside`
 * them; or `only` they are wanted.
 */
type PersonalWish = 'none' | 'first' | 'beside' | 'only';

/** Only secrets that have one of the tags, and all of the metadata. */
export interface Filter {
  readonly tagSlugs: readonly string[];
  readonly metadata: readonly { readonly key?: string | undefined; readonly value?: string | undefined }[];
}

/** Whether a secret is wanted. Sealed metadata can be asked for by its key alone. */
export function passes({ tagSlugs, metadata }: Filter, row: Pick<SecretRow, 'tags' | 'metadata'>): boolean {
  if (tagSlugs.length > 0 && !row.tags.some(({ slug }) => tagSlugs.includes(slug))) return false;
  return metadata.every(({ key, value }) =>
    row.metadata.some((one) => (key === undefined || one.key === key) && (value === undefined || one.value === value)),
  );
}

/** What a read asks for, checked and complete. */
export interface Question {
  readonly project: ProjectReference;
  readonly environment: string;
  readonly path: string;
  readonly recursive: boolean;
  readonly key?: string | undefined;
  /** With `key`: it must be this secret, and not another that has got its name. */
  readonly secretId?: string | undefined;
  /** False: names, versions and comments only. */
  readonly withValues: boolean;
  /** Puts in what values refer to. */
  readonly expand: boolean;
  /** Of a list, the imports beside it; of a single key, the place to look when the folder does not have it. */
  readonly imports: boolean;
  readonly personal: PersonalWish;
  /** Of a list: which of the folder's own secrets are wanted. What it imports stays. */
  readonly filter?: Filter | undefined;
  /** Of a single key: not the secret, but the tree of what it refers to, `whole` or without the values. */
  readonly asTree?: 'whole' | 'names';
  /** Of a single key: as it was in this version, with what its references lead to now. */
  readonly version?: number | undefined;
  /** Of a list: not the secrets of the folder itself, but of what it imports alone. */
  readonly importsAlone?: boolean;
}

/** The question's name in memory. It holds the caller, so that no one is ever given what another may see. */
export function nameOf(caller: Caller, question: Question): string {
  const { project, environment, path, key, secretId } = question;
  return [
    caller.actorId,
    project.id ?? '',
    project.slug ?? '',
    project.organizationId ?? '',
    environment,
    path,
    key ?? '',
    secretId ?? '',
    key === undefined ? 'list' : 'get',
    question.recursive ? 'r' : '',
    question.withValues ? 'v' : '',
    question.expand ? 'x' : '',
    question.imports ? 'i' : '',
    question.personal,
    question.asTree ?? '',
    question.importsAlone ? 'a' : '',
    question.version ?? '',
    question.filter ? JSON.stringify(question.filter) : '',
  ].join('\n');
}
