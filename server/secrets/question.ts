import type { Caller, ProjectReference } from '../access/access.ts';

/**
 * What becomes of a person's own values: `none` are looked at; they stand `first`, in place of the shared ones; `beside`
 * them; or `only` they are wanted.
 */
export type PersonalWish = 'none' | 'first' | 'beside' | 'only';

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
  /** Of a single key: not the secret, but the tree of what it refers to. */
  readonly asTree?: boolean;
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
    question.asTree ? 't' : '',
  ].join('\n');
}
