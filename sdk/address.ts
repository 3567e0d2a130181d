/** Which project: by its id, or by its slug within the organizations of the caller. */
export type ProjectRef =
  | { readonly projectId: string }
  | { readonly projectSlug: string; readonly organizationId?: string };

/** A folder of an environment. */
export type FolderAddress = ProjectRef & {
  /** Slug; `production` means `prod`. */
  readonly environment: string;
  /** @default "/" */
  readonly secretPath?: string;
};

/** Where secrets are read and written (Infisical's v3 raw routes). */
export const SECRETS_PATH = '/api/v3/secrets/raw';

/** A folder as the query of a request names it. */
export function addressQuery(at: FolderAddress): Record<string, string | undefined> {
  const project =
    'projectId' in at
      ? { workspaceId: at.projectId }
      : { workspaceSlug: at.projectSlug, organizationId: at.organizationId };
  return { ...project, environment: at.environment, secretPath: at.secretPath ?? '/' };
}
