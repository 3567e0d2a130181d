import type { TestServer } from '../../support/server.ts';

export type Place = { projectId: string; environment?: string; path?: string };

export const query = (at: Place, more: Record<string, string> = {}) =>
  new URLSearchParams({
    projectId: at.projectId,
    environment: at.environment ?? 'dev',
    secretPath: at.path ?? '/',
    ...more,
  });

/** Makes a folder, with those above it. */
export async function folder(server: TestServer, { projectId, environment = 'dev', path = '/' }: Place): Promise<void> {
  const [name, ...above] = path.split('/').reverse();
  const body = { projectId, environment, path: above.reverse().join('/') || '/', name };
  await server.do('POST', '/api/v2/folders', { body });
}

/** Lets one folder import another; answers the import's id. */
export async function importInto(server: TestServer, into: Place, from: Partial<Place>): Promise<string> {
  const body = {
    projectId: into.projectId,
    environment: into.environment ?? 'dev',
    path: into.path ?? '/',
    import: { environment: from.environment ?? 'dev', path: from.path ?? '/', projectId: from.projectId },
  };
  return (await server.do('POST', '/api/v2/secret-imports', { body })).secretImport.id;
}

export async function share(server: TestServer, from: Place, targetProjectId: string): Promise<string> {
  const body = { environment: from.environment ?? 'dev', path: from.path ?? '/', targetProjectId };
  const url = `/api/v1/projects/${from.projectId}/folder-shares`;
  return (await server.do('POST', url, { body })).folderShare.id;
}

/** What a caller reads of a folder, as text; a refusal by its status and message. */
export async function read(server: TestServer, token: string, at: Place, more: Record<string, string> = {}) {
  const { status, body } = await server.send('GET', `/api/v4/secrets?${query(at, more)}`, { token });
  if (status !== 200) return { status, message: body.message };
  const pairs = (secrets: any[]) => secrets.map((s) => `${s.secretKey}=${s.secretValue}`);
  return {
    own: pairs(body.secrets),
    imports: body.imports.map((block: any) => [`${block.environment}:${block.secretPath}`, ...pairs(block.secrets)]),
  };
}

export async function readOne(
  server: TestServer,
  token: string,
  key: string,
  at: Place,
  more: Record<string, string> = {},
) {
  const { status, body } = await server.send('GET', `/api/v4/secrets/${key}?${query(at, more)}`, { token });
  return status === 200 ? body.secret.secretValue : { status, message: body.message };
}

/** What the audit holds of an actor's allowed reads: place, and the keys that were shown. */
export async function auditOf(server: TestServer, actorId: string) {
  const { rows } = await server.sql.query(
    `select project_id as project, environment, secret_path as path, secret_key as key, m.keys, l.metadata
       from audit_log l left join audit_manifests m on m.id = l.manifest_id
      where actor_id = $1 and action = 'read' and outcome = 'allowed' order by at, environment, secret_path`,
    [actorId],
  );
  return rows as {
    project: string;
    environment: string;
    path: string;
    key: string | null;
    keys: string[] | null;
    metadata: any;
  }[];
}
