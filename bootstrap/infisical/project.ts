import { canonicalEnvironment, FolderPath, SecretKey, SecretValue } from '../../contracts/names.ts';
import { UserError } from '../problem.ts';

/** A project as it is read from an instance that speaks Infisical's API, and made in another. */
export interface TakenProject {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly description: string;
  readonly tags: readonly TakenTag[];
  readonly environments: readonly TakenEnvironment[];
  /** What stays behind, in words; never a value. */
  readonly leftOut: readonly string[];
}

export interface TakenTag {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly color: string;
}

export interface TakenEnvironment {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  /** The root first, each before those below it. */
  readonly folders: readonly TakenFolder[];
}

export interface TakenFolder {
  readonly path: string;
  readonly secrets: readonly TakenSecret[];
  /** In their order: the later wins. */
  readonly imports: readonly { readonly environment: string; readonly path: string }[];
}

export interface TakenSecret {
  readonly id: string;
  readonly key: string;
  /** The oldest first; those that the instance no longer has are not among them. */
  readonly versions: readonly TakenVersion[];
  readonly tagSlugs: readonly string[];
  readonly metadata: readonly { readonly key: string; readonly value: string; readonly isEncrypted: boolean }[];
  readonly skipMultilineEncoding: boolean;
}

export interface TakenVersion {
  readonly version: number;
  readonly value: string;
  readonly comment: string;
}

/** @throws UserError that names everything that cannot be here, before anything is made */
export function refuseUnfit({ environments }: TakenProject): void {
  const problems: string[] = [];
  const slugs = environments.map(({ slug }) => canonicalEnvironment(slug));
  for (const slug of slugs.filter((one, index) => slugs.indexOf(one) !== index))
    problems.push(`two environments are ${slug} here: production means prod`);
  for (const { slug, folders } of environments)
    for (const { path, secrets } of folders) {
      const wrong = FolderPath.safeParse(path).error;
      if (wrong) problems.push(`folder ${path} of ${slug}: ${wrong.issues[0]?.message}`);
      for (const { key, versions } of secrets)
        for (const issue of [SecretKey.safeParse(key), ...versions.map(({ value }) => SecretValue.safeParse(value))]) {
          const message = issue.error?.issues[0]?.message;
          if (message !== undefined) problems.push(`${JSON.stringify(key)} in ${slug} ${path}: ${message}`);
        }
    }
  if (problems.length > 0)
    throw new UserError(`${[...new Set(problems)].join('; ')}; nothing was changed`, 'change it there first');
}
