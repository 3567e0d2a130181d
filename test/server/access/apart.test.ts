import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { firstSnapshot } from '../input/world.ts';
import { importInto, share } from '../reads/world.ts';

/**
 * An admin of one organization asks every route for what belongs to another. The answer is a 404, and to the letter the
 * one that an id nobody has gets: not even existence is told.
 */

let server: TestServer;
let outsider: Machine;
/** What the other organization has, by the name of the parameter that would address it. */
let foreign: Record<string, string>;
/** What the outsider has itself. */
let own: Record<string, string>;

async function furnish(organizationId: string, slug: string): Promise<Record<string, string>> {
  const project = await server.project(slug, organizationId);
  await server.setSecrets(project.id, 'dev', { KEPT: 'kept' });
  const at = `projectId=${project.id}&environment=dev`;
  const { id: secretId } = (await server.do('GET', `/api/v4/secrets/KEPT?${at}`)).secret;
  const { folder } = await server.do('POST', '/api/v1/folders', {
    body: { projectId: project.id, environment: 'dev', name: 'kept' },
  });
  const { tag } = await server.do('POST', `/api/v1/projects/${project.id}/tags`, { body: { slug: `${slug}-tag` } });
  const secretImportId = await importInto(server, { projectId: project.id }, { path: '/kept' });
  const other = await server.project(`${slug}-other`, organizationId);
  const shareId = await share(server, { projectId: project.id, path: '/kept' }, other.id);
  const { environments } = (await server.do('GET', `/api/v1/projects/${project.id}`)).project;
  const machine = await server.machine(`${slug}-service`, {
    organizationId,
    projectId: project.id,
    roles: [{ role: 'viewer' }],
  });
  const { identityMembership } = await server.do(
    'GET',
    `/api/v2/workspace/${project.id}/identity-memberships/${machine.id}`,
  );
  await server.do('PATCH', '/api/v1/admin/config', {
    body: { machineAuthMethods: ['token-auth', 'oidc-auth', 'kubernetes-auth', 'service-token'] },
  });
  const tokenAuth = `/api/v1/auth/token-auth/identities/${machine.id}`;
  await server.do('POST', tokenAuth, { body: {} });
  const { tokenData } = await server.do('POST', `${tokenAuth}/tokens`, { body: {} });
  const { serviceTokenData } = await server.do('POST', '/api/v2/service-token', {
    body: {
      ...{ name: `${slug}-token`, workspaceId: project.id, permissions: ['read'] },
      scopes: [{ environment: 'dev', secretPath: '/' }],
    },
  });
  const username = `${slug}@example.com`;
  const { membership } = await server.do('POST', `/api/v2/organizations/${organizationId}/memberships`, {
    body: { email: username },
  });
  await server.do('POST', `/api/v1/projects/${project.id}/memberships`, { body: { emails: [username] } });
  const { role } = await server.do('POST', `/api/v1/projects/${project.id}/roles`, {
    body: { slug: `${slug}-role`, name: 'Kept', permissions: [{ subject: 'secrets', action: ['read'] }] },
  });
  const { role: organizationRole } = await server.do('POST', '/api/v1/organization/roles', {
    body: { slug: `${slug}-organization-role`, name: 'Kept', permissions: [], organizationId },
  });
  const group = await server.do('POST', '/api/v1/groups', {
    body: { name: `${slug} group`, slug: `${slug}-group`, organizationId },
  });
  await server.do('POST', `/api/v1/groups/${group.id}/users/${username}`);
  await server.do('POST', `/api/v1/projects/${project.id}/groups/${group.id}`, { body: { role: 'viewer' } });
  const { privilege } = await server.do('POST', '/api/v2/identity-project-additional-privilege', {
    body: {
      projectId: project.id,
      identityId: machine.id,
      slug: `${slug}-privilege`,
      permissions: [],
      type: { isTemporary: false },
    },
  });
  // Nobody is at that name: records wait for it, and none arrives anywhere.
  const { auditLogStream } = await server.do('POST', '/api/v1/audit-log-streams', {
    body: { organizationId, url: 'https://sink.invalid/' },
  });
  // Those that hold the slug come first, since an answer's names are taken out in this order.
  return {
    organizationRoleSlug: organizationRole.slug,
    roleSlug: role.slug,
    privilegeSlug: privilege.slug,
    privilegeId: privilege.id,
    streamId: auditLogStream.id,
    username,
    organizationId,
    membershipId: membership.id,
    userId: membership.userId,
    projectId: project.id,
    slug,
    environmentId: environments[0].id,
    folderId: folder.id,
    tagId: tag.id,
    snapshotId: await firstSnapshot(server, project.id),
    tagSlug: tag.slug,
    tokenId: tokenData.id,
    serviceTokenId: serviceTokenData.id,
    identityId: machine.id,
    identityMembershipId: identityMembership.id,
    clientSecretId: machine.clientSecretId,
    secretName: 'KEPT',
    projectSlug: slug,
    roleId: role.id,
    organizationRoleId: organizationRole.id,
    groupId: group.id,
    secretId,
    secretImportId,
    shareId,
  };
}

beforeAll(async () => {
  server = await startServer();
  const lux = await server.organization('lux');
  foreign = await furnish(lux.id, 'node');
  own = await furnish(server.organizationId, 'gateway');
  outsider = await server.machine('outsider', {
    role: 'admin',
    projectId: own.projectId!,
    roles: [{ role: 'admin' }],
  });
});
afterAll(() => server.close());

interface Route {
  readonly method: string;
  readonly path: string;
}

/** Every route of the API, from its own document. */
function routes(): Route[] {
  const { paths } = server.app.swagger() as { paths: Record<string, Record<string, unknown>> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
}

/** Routes that address nothing, and the ones that strangers reach. */
const ADDRESS_NOTHING = [
  'POST /api/v1/projects/search',
  'GET /api/v1/secret-imports/secrets',
  'GET /api/v3/secrets',
  'POST /api/v3/secrets/batch',
  'PATCH /api/v3/secrets/batch',
  'DELETE /api/v3/secrets/batch',
  'GET /api/v3/secrets/{secretName}',
  'POST /api/v3/secrets/{secretName}',
  'PATCH /api/v3/secrets/{secretName}',
  'DELETE /api/v3/secrets/{secretName}',
  'GET /api/status',
  'GET /api/v1/admin/config',
  'PATCH /api/v1/admin/config',
  'POST /api/v1/admin/bootstrap',
  'POST /api/v1/admin/recovery-session',
  'POST /api/v1/admin/signup',
  'POST /api/v1/auth/universal-auth/login',
  'POST /api/v1/auth/universal-auth/client-secrets/renew',
  'POST /api/v1/auth/oidc-auth/login',
  'POST /api/v1/auth/kubernetes-auth/login',
  'POST /api/v1/auth/token/renew',
  'POST /api/v1/auth/token/revoke',
  'GET /api/v1/identities/details',
  'GET /api/v1/organization',
  'POST /api/v2/organizations',
  'GET /api/v1/workspace',
  // A service token's own data; nobody else is answered.
  'GET /api/v2/service-token',
];

/** A person's own account and login, which no request can name another's of (test/server/people). */
const OWN =
  /^\w+ \/api\/(v1\/user\b|v2\/users\/me\b|v2\/auth\/mfa\/|v3\/auth\/login|v1\/auth\/(token|logout|checkAuth|command-line\/\w+)$|v1\/invite-org\/verify$|v3\/signup\/|v2\/password\/|v1\/sso\/oidc\/(login|callback|link)$)/;

/** Sends one request that is complete for every route: names in the path, the query and the body. */
async function ask({ method, path }: Route, named: Record<string, string>) {
  // Both kinds of roles are `roleId` in their paths.
  const kind = (name: string) =>
    /\/organizations?\//.test(path) && /^role(Id|Slug)$/.test(name) ? `organizationR${name.slice(1)}` : name;
  const url = path.replace(/\{(\w+)\}/g, (_, name) => named[kind(name)] ?? `no-${name}`);
  const { projectId, organizationId, identityId, projectSlug } = named as Record<
    'projectId' | 'organizationId' | 'identityId' | 'projectSlug',
    string
  >;
  const references = {
    ...{ projectId, organizationId, environment: 'dev', action: 'read', identityId, projectSlug },
    ...(path.includes('{organizationId}') ? { subject: 'role' } : {}),
  };
  const body = {
    ...references,
    projectName: 'mine',
    name: 'mine',
    slug: 'mine',
    email: 'mallory@example.com',
    role: 'no-access',
    roles: [{ role: 'viewer' }],
    secretValue: 'x',
    tagSlugs: ['a-tag'],
    version: 1,
    sourceEnvironment: 'dev',
    destinationEnvironment: 'prod',
    secretIds: [randomUUID()],
    secrets: [{ secretKey: 'KEPT', secretValue: 'x' }],
    url: 'https://sink.invalid',
    accessTokenTTL: 60,
    oidcDiscoveryUrl: 'https://issuer.example.com',
    boundIssuer: 'https://issuer.example.com',
    boundSubject: 'mine',
    kubernetesHost: 'https://cluster.example.com',
    allowedNamespaces: 'mine',
    inviteeEmails: ['mallory@example.com'],
    membershipId: named.membershipId,
    code: 'nothing',
    import: { environment: 'dev', path: '/kept' },
    targetProjectId: randomUUID(),
    permissions: [],
    ...(path.includes('privilege') ? { type: { isTemporary: false } } : {}),
    privilegeSlug: named.privilegeSlug,
    privilegeDetails: { permissions: [] },
    temporaryMode: 'relative',
    temporaryRange: '1h',
    temporaryAccessStartTime: new Date().toISOString(),
    register: [{ event: 'secret:create' }],
    scopes: [{ environment: 'dev', secretPath: '/' }],
    ...(path.endsWith('/service-token') ? { workspaceId: projectId } : {}),
    usernames: ['mallory@example.com'],
    username: 'mallory@example.com',
    clientId: 'nobody',
    clientSecret: 'nothing',
    isActive: true,
    autoCapitalization: true,
    hasDeleteProtection: true,
    pitVersionLimit: 1,
    auditLogsRetentionDays: 1,
    folders: [{ environment: 'dev', id: named.folderId, name: 'mine' }],
  };
  const query = path.includes('/projects/slug/') ? '' : `?${new URLSearchParams(references)}`;
  const answer = await server.send(method, method === 'GET' ? `${url}${query}` : url, {
    token: outsider.token,
    ...(method === 'GET' ? {} : { body }),
  });
  let message = JSON.stringify(answer.body?.message ?? null);
  for (const [name, value] of Object.entries(named)) message = message.replaceAll(value, `<${name}>`);
  return { status: answer.status, message, keys: Object.keys(answer.body ?? {}), text: answer.text };
}

/** Names of the same form that nothing has. */
function nobodys(): Record<string, string> {
  const random = Object.fromEntries(Object.keys(foreign).map((name) => [name, randomUUID() as string]));
  return {
    ...random,
    slug: 'nowhere',
    projectSlug: 'nowhere',
    roleSlug: 'none',
    organizationRoleSlug: 'none-either',
    privilegeSlug: 'no-such',
    username: 'nobody@example.com',
    secretName: 'KEPT',
  };
}

/** Everything that the other organization holds; no attempt may change a row of it. */
async function stateOfForeign(): Promise<string> {
  const { rows } = await server.sql.query(
    `select (select json_agg(o order by o.id) from organizations o where id = $1)::text
         || (select json_agg(m order by m.id) from organization_memberships m where organization_id = $1)::text
         || (select json_agg(g order by g.id) from groups g where organization_id = $1)::text
         || (select json_agg(gm order by gm.group_id, gm.actor_id) from group_members gm where organization_id = $1)::text
         || (select json_agg(r order by r.id) from project_roles r where project_id = $2)::text
         || (select json_agg(m order by m.id) from project_memberships m where project_id = $2)::text
         || (select json_agg(p order by p.id) from projects p where organization_id = $1)::text
         || (select json_agg(s order by s.id) from secrets s where project_id = $2)::text
         || (select json_agg(u order by u.id) from universal_auths u where identity_id = $3)::text as state`,
    [foreign.organizationId, foreign.projectId, foreign.identityId],
  );
  return rows[0].state;
}

test('what belongs to others is not there, on every route', async () => {
  const before = await stateOfForeign();
  const asked: string[] = [];
  for (const route of routes()) {
    const name = `${route.method} ${route.path}`;
    if (ADDRESS_NOTHING.includes(name) || OWN.test(name)) continue;
    const [theirs, none] = [await ask(route, foreign), await ask(route, nobodys())];
    expect([name, theirs.status, theirs.message, theirs.keys]).toEqual([name, 404, none.message, none.keys]);
    expect([name, none.status]).toEqual([name, 404]);
    asked.push(name);
  }
  expect(asked.length).toBeGreaterThan(60);
  expect(await stateOfForeign()).toBe(before);
});

test.each([
  { within: 'its own organization', kept: ['organizationId'] },
  { within: 'its own project', kept: ['organizationId', 'projectId', 'slug'] },
  { within: 'its own identity', kept: ['organizationId', 'projectId', 'slug', 'identityId'] },
])("others' things are not there within $within", async ({ kept }) => {
  const before = await stateOfForeign();
  const mix = (named: Record<string, string>) => ({
    ...named,
    ...Object.fromEntries(kept.map((name) => [name, own[name]!])),
  });
  let asked = 0;
  for (const route of routes()) {
    const parameters = [...route.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
    const within = parameters.some((name) => kept.includes(name)) || /folders/.test(route.path);
    const theirsLeft = parameters.filter((name) => !kept.includes(name) && name !== 'secretName');
    if (!within || theirsLeft.length === 0) continue;
    const name = `${route.method} ${route.path}`;
    const [theirs, none] = [await ask(route, mix(foreign)), await ask(route, mix(nobodys()))];
    expect([name, theirs.status, theirs.message, theirs.keys]).toEqual([name, 404, none.message, none.keys]);
    asked++;
  }
  expect(asked).toBeGreaterThan(5);
  expect(await stateOfForeign()).toBe(before);
});

test('lists show what is their own alone', async () => {
  const { token } = outsider;
  const { organizations } = await server.do('GET', '/api/v1/organization', { token });
  expect(organizations.map((o: any) => o.slug)).toEqual(['hanzo']);
  for (const url of ['/api/v1/projects', '/api/v1/workspace']) {
    const answer = await server.do('GET', url, { token });
    expect((answer.projects ?? answer.workspaces).map((p: any) => p.slug)).toEqual(['gateway', 'gateway-other']);
  }
});

test("a slug of another organization's project is not found", async () => {
  for (const url of [
    '/api/v3/secrets/raw?environment=dev&workspaceSlug=node',
    '/api/v2/workspace/node',
    `/api/v1/projects/slug/node?organizationId=${foreign.organizationId}`,
    `/api/v3/secrets/raw?environment=dev&workspaceSlug=node&organizationId=${foreign.organizationId}`,
  ]) {
    const { status, body } = await server.send('GET', url, { token: outsider.token });
    expect([url, status, body.message]).toEqual([url, 404, 'project "node" not found']);
  }
});

test('two organizations can have a project of one slug each', async () => {
  const twin = await server.project('node', server.organizationId);
  await server.setSecrets(twin.id, 'dev', { OURS: 'ours' });
  const { secrets } = await server.do('GET', '/api/v3/secrets/raw?environment=dev&workspaceSlug=node', {
    token: outsider.token,
  });
  expect(secrets).toMatchObject([{ secretKey: 'OURS', workspace: twin.id }]);
  // Whoever belongs to both has to say which.
  const { status, body } = await server.send('GET', '/api/v2/workspace/node', { token: server.admin });
  expect([status, body.message]).toEqual([400, 'project "node" exists in 2 of your organizations; name it by its id']);
});
