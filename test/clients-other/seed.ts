import type { TestServer } from '../support/server.ts';

/**
 * A project with what every client's program expects to find, and a machine that is its admin.
 *
 * @returns the environment variables of the program
 */
export async function seedFor(server: TestServer, url: string, slug: string): Promise<Record<string, string>> {
  const project = await server.project(slug);
  const machine = await server.machine(slug, { projectId: project.id, roles: [{ role: 'admin' }], role: 'member' });
  const at = { workspaceId: project.id, environment: 'dev', path: '/' };
  for (const name of ['nested', 'imported']) await server.do('POST', '/api/v1/folders', { body: { ...at, name } });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
  const own = { SEEDED: 'seeded', SEEDED_JSON: '{"a":{"b":"deep"},"c":"flat"}', REFERS: '${dev.nested.NESTED}!' };
  await server.setSecrets(project.id, 'dev', { NESTED: 'nested' }, '/nested');
  await server.setSecrets(project.id, 'dev', { IMPORTED: 'imported' }, '/imported');
  await server.setSecrets(project.id, 'dev', own);
  const { workspaceTag: tag } = await server.do('POST', `/api/v1/workspace/${project.id}/tags`, {
    body: { name: 'blue', slug: 'blue', color: '#0000ff' },
  });
  await server.do('POST', '/api/v4/secrets/TAGGED', {
    body: { projectId: project.id, environment: 'dev', secretValue: 'tagged', tagIds: [tag.id] },
  });
  await server.do('POST', '/api/v1/secret-imports', {
    body: { ...at, import: { environment: 'dev', path: '/imported' } },
  });
  const scopes = [{ environment: 'dev', secretPath: '/**' }];
  const { serviceToken } = await server.do('POST', '/api/v2/service-token', {
    body: { name: slug, workspaceId: project.id, scopes, permissions: ['read'], expiresIn: 0 },
  });
  return {
    KMS_URL: url,
    KMS_PROJECT_ID: project.id,
    KMS_PROJECT_SLUG: project.slug,
    KMS_CLIENT_ID: machine.clientId,
    KMS_CLIENT_SECRET: machine.clientSecret,
    KMS_SERVICE_TOKEN: serviceToken,
  };
}
