import { afterAll, beforeAll, expect, test } from 'vitest';
import { startServer, type TestServer } from '../support/server.ts';
import { documentedRoutes } from './documented-routes.ts';
import { seedFor } from './seed.ts';

/**
 * Programs of Infisical that no registry has: its command line, its operator, its Terraform provider. What they send is
 * known from their source; these are those requests, oddities included, and the fields that they read.
 */

let server: TestServer;
let env: Record<string, string>;
let token: string;
const asked = new Map<string, Set<string>>();
let who = '';

beforeAll(async () => {
  server = await startServer({
    prepare: (app) => {
      app.addHook('onResponse', (request, _reply, done) => {
        asked.get(who)?.add(`${request.method} ${request.routeOptions.url}`);
        done();
      });
    },
  });
  await server.do('PATCH', '/api/v1/admin/config', {
    body: { machineAuthMethods: ['universal-auth', 'service-token'] },
  });
  env = await seedFor(server, '', 'wire');
});
afterAll(() => server.close());

/** Sends what a client sends, and throws unless it is served. */
async function ask(method: string, url: string, body?: unknown, bearer = token): Promise<any> {
  return server.do(method, url, { token: bearer, body, headers: { 'user-agent': who } });
}

async function login(client: string, path = '/api/v1/auth/universal-auth/login'): Promise<void> {
  who = client;
  asked.set(who, new Set());
  const { KMS_CLIENT_ID: clientId, KMS_CLIENT_SECRET: clientSecret } = env;
  token = (await ask('POST', path, { clientId, clientSecret }, '')).accessToken;
}

function expectDocumented(): void {
  expect([...(asked.get(who) ?? [])].sort()).toEqual(documentedRoutes().get(who));
  who = '';
}

test('what the command line sends is served, bodies of GET included', async () => {
  await login('cli', '/api/v1/auth/universal-auth/login/');
  const { KMS_PROJECT_ID: workspaceId, KMS_PROJECT_SLUG: slug, KMS_SERVICE_TOKEN: serviceToken } = env;
  const at = { workspaceId: workspaceId!, environment: 'dev', secretPath: '/' };
  const list = async (bearer = token) =>
    ask(
      'GET',
      `/api/v3/secrets/raw?${new URLSearchParams({ ...at, include_imports: 'true', expandSecretReferences: 'true' })}`,
      { ...at, include_imports: true, recursive: false },
      bearer,
    );
  const own = {
    secretKey: 'REFERS',
    secretValue: 'nested!',
    workspace: workspaceId,
    environment: 'dev',
    type: 'shared',
  };
  expect((await list()).secrets).toContainEqual(expect.objectContaining({ _id: expect.any(String), ...own }));
  expect((await list()).imports).toMatchObject([{ secretPath: '/imported', secrets: [{ secretKey: 'IMPORTED' }] }]);

  // `secrets set`, `get`, `delete`
  const secret = { ...at, type: 'shared', secretComment: '' };
  await ask('POST', '/api/v3/secrets/raw/CLI', { ...secret, secretValue: 'first' });
  await ask('PATCH', '/api/v3/secrets/raw/CLI', { ...at, type: 'shared', secretValue: 'second' });
  const query = new URLSearchParams({ ...at, type: 'shared', include_imports: 'true', expandSecretReferences: 'true' });
  const got = await ask('GET', `/api/v3/secrets/raw/CLI?${query}`, { ...at, secretName: 'CLI', type: 'shared' });
  expect(got.secret).toMatchObject({ secretKey: 'CLI', secretValue: 'second' });
  await ask('DELETE', '/api/v3/secrets/raw/CLI', { ...at, secretName: 'CLI', type: 'shared' });

  // `secrets folders`: paths are `directory` here, and `path` on creation alone.
  const folder = { workspaceId, environment: 'dev' };
  await ask('POST', '/api/v1/folders', { ...folder, name: 'cli', path: '/nested' });
  const where = new URLSearchParams({ environment: 'dev', workspaceId: workspaceId!, directory: '/nested' });
  expect((await ask('GET', `/api/v1/folders?${where}`)).folders).toMatchObject([{ name: 'cli' }]);
  await ask('DELETE', '/api/v1/folders/cli', { ...folder, folderName: 'cli', directory: '/nested' });

  // The agent renews; a project is looked up; a service token has four parts.
  await ask('POST', '/api/v1/auth/token/renew', { accessToken: token }, '');
  expect((await ask('GET', `/api/v1/projects/slug/${slug}`)).id).toBe(workspaceId);
  expect((await ask('GET', `/api/v1/workspace/${workspaceId}`)).workspace.id).toBe(workspaceId);
  const fourParts = `${serviceToken}.0123456789abcdef`;
  expect((await ask('GET', '/api/v2/service-token', undefined, fourParts)).workspace).toBe(workspaceId);
  expect((await list(fourParts)).secrets.length).toBeGreaterThan(3);
  expectDocumented();
});

test('what the operator sends is served, by today and before', async () => {
  await login('k8-operator');
  const { KMS_PROJECT_ID: projectId, KMS_PROJECT_SLUG: slug, KMS_SERVICE_TOKEN: serviceToken } = env;
  const { id } = await ask('GET', `/api/v1/projects/slug/${slug}`);
  expect(id).toBe(projectId);
  // It names neither imports nor references: both are wanted.
  const today = await ask('GET', `/api/v4/secrets?projectId=${id}&environment=dev&secretPath=%2F&recursive=false`);
  expect(today.secrets).toContainEqual(
    expect.objectContaining({ secretKey: 'REFERS', secretValue: 'nested!', secretPath: '/', type: 'shared' }),
  );
  expect(today.imports).toMatchObject([{ environment: 'dev', secrets: [{ secretKey: 'IMPORTED' }] }]);
  const tagged = await ask(
    'GET',
    `/api/v4/secrets?projectId=${id}&environment=dev&secretPath=%2F&recursive=true&tagSlugs=blue`,
  );
  expect(tagged.secrets).toMatchObject([{ secretKey: 'TAGGED' }]);
  const before = new URLSearchParams({ workspaceSlug: slug!, environment: 'dev', secretPath: '/', recursive: 'true' });
  const raw = await ask('GET', `/api/v3/secrets/raw?${before}&include_imports=true&expandSecretReferences=true`);
  expect(raw.secrets).toContainEqual(expect.objectContaining({ secretKey: 'NESTED', secretPath: '/nested' }));
  expect((await ask('GET', '/api/v2/service-token', undefined, `${serviceToken}.key`)).workspace).toBe(projectId);
  await ask('POST', '/api/v1/auth/token/renew', { accessToken: token }, '');
  expectDocumented();
});

test('what the Terraform provider sends for its resources is served', async () => {
  const { organizationId } = server;
  await login('terraform');
  const { KMS_PROJECT_ID: workspaceId } = env;
  const at = { workspaceId: workspaceId!, environment: 'dev', secretPath: '/' };

  // infisical_project
  const { project } = await ask('POST', '/api/v2/workspace', { projectName: 'Terraform', slug: 'terraform' });
  expect(await ask('GET', '/api/v2/workspace/terraform')).toMatchObject({ id: project.id, name: 'Terraform' });
  const environments = (await ask('GET', `/api/v1/workspace/${project.id}`)).workspace.environments;
  expect(environments.map(({ slug }: { slug: string }) => slug)).toEqual(['dev', 'staging', 'prod']);
  expect(await ask('PATCH', '/api/v2/workspace/terraform', { name: 'Renamed' })).toMatchObject({ name: 'Renamed' });

  // infisical_secret
  const secret = { ...at, type: 'shared', secretKey: 'TF', skipMultilineEncoding: false };
  await ask('POST', '/api/v3/secrets/raw/TF', { ...secret, secretValue: 'first', secretComment: '', tagIds: [] });
  await ask('PATCH', '/api/v3/secrets/raw/TF', {
    ...at,
    secretName: 'TF',
    type: 'shared',
    secretValue: 'second',
    tagIds: [],
  });
  const one = await ask('GET', `/api/v3/secrets/raw/TF?${new URLSearchParams({ ...at, type: 'shared' })}`);
  expect(one.secret).toMatchObject({ secretKey: 'TF', secretValue: 'second', version: 2, tags: [] });
  const all = await ask('GET', `/api/v3/secrets/raw?${new URLSearchParams(at)}`);
  expect(all.secrets).toContainEqual(expect.objectContaining({ secretKey: 'TF', secretReminderNote: null }));
  await ask('DELETE', '/api/v3/secrets/raw/TF', { ...at, secretName: 'TF', type: 'shared' });

  // infisical_secret_folder
  const place = { workspaceId, environment: 'dev', path: '/' };
  const { folder } = await ask('POST', '/api/v1/folders', { ...place, name: 'tf' });
  expect((await ask('GET', `/api/v1/folders/${folder.id}`)).folder).toMatchObject({ name: 'tf', path: '/tf' });
  await ask('PATCH', `/api/v1/folders/${folder.id}`, { ...place, name: 'terraform' });
  await ask('DELETE', `/api/v1/folders/${folder.id}`, place);

  // infisical_identity, infisical_identity_universal_auth and its client secret
  const { identity } = await ask(
    'POST',
    '/api/v1/identities',
    { name: 'tf', organizationId, role: 'no-access' },
    server.admin,
  );
  const auth = `/api/v1/auth/universal-auth/identities/${identity.id}`;
  await ask('POST', auth, { accessTokenTTL: 60, accessTokenMaxTTL: 60, accessTokenNumUsesLimit: 0 }, server.admin);
  expect((await ask('GET', auth, undefined, server.admin)).identityUniversalAuth).toMatchObject({ accessTokenTTL: 60 });
  const made = await ask(
    'POST',
    `${auth}/client-secrets`,
    { description: 'tf', ttl: 0, numUsesLimit: 0 },
    server.admin,
  );
  const kept = `${auth}/client-secrets/${made.clientSecretData.id}`;
  expect((await ask('GET', kept, undefined, server.admin)).clientSecretData).toMatchObject({ description: 'tf' });
  expect((await ask('GET', `/api/v1/identities/${identity.id}`, undefined, server.admin)).identity).toMatchObject({
    identity: { id: identity.id, name: 'tf' },
    role: 'no-access',
  });

  // infisical_project_role, infisical_project_identity, with bodies on GET
  const permissions = [{ action: ['readValue'], subject: 'secrets', conditions: { environment: { $eq: 'dev' } } }];
  const roles = `/api/v2/workspace/${workspaceId}/roles`;
  const { role } = await ask('POST', roles, { slug: 'tf-role', name: 'TF', description: '', permissions });
  const read = { projectId: workspaceId, roleSlug: 'tf-role' };
  expect((await ask('GET', `${roles}/slug/tf-role`, read)).role).toMatchObject({ slug: 'tf-role', name: 'TF' });
  expect((await ask('GET', `/api/v1/projects/roles/${role.id}`)).role.slug).toBe('tf-role');
  const membership = `/api/v2/workspace/${workspaceId}/identity-memberships/${identity.id}`;
  await ask('POST', membership, { roles: [{ role: 'tf-role', isTemporary: false }] });
  expect((await ask('GET', membership, { identityId: identity.id })).identityMembership.roles).toMatchObject([
    { customRoleSlug: 'tf-role', isTemporary: false },
  ]);
  await ask('PATCH', membership, { roles: [{ role: 'viewer', isTemporary: false }] });
  // It fails a plan whose role is read back under another name.
  await ask('PATCH', membership, { roles: [{ role: 'member', isTemporary: false }] });
  expect((await ask('GET', membership, { identityId: identity.id })).identityMembership.roles).toMatchObject([
    { role: 'member', customRoleId: null },
  ]);
  await ask('DELETE', membership, { projectId: workspaceId, identityId: identity.id });
  await ask('DELETE', `${roles}/${role.id}`);
  await ask('POST', `${kept}/revoke`, {}, server.admin);
  await ask('DELETE', auth, undefined, server.admin);
  await ask('DELETE', `/api/v1/identities/${identity.id}`, undefined, server.admin);
  await ask('DELETE', '/api/v2/workspace/terraform');
  expectDocumented();
});
