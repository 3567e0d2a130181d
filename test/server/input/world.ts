import type { TestServer } from '../../support/server.ts';
import { importInto, share } from '../reads/world.ts';

/** One of everything in an organization: what the ids and names of a request can point at. */
export type World = Readonly<Record<(typeof names)[number], string>>;

const names = [
  'organizationId',
  'projectId',
  'slug',
  'environmentId',
  'folderId',
  'tagId',
  'snapshotId',
  'streamId',
  'identityId',
  'identityMembershipId',
  'clientSecretId',
  'membershipId',
  'userId',
  'sessionId',
  'secretId',
  'secretImportId',
  'shareId',
  'roleId',
  'roleSlug',
  'privilegeId',
  'privilegeSlug',
  'groupId',
  'username',
  'token',
  'tokenId',
  'serviceTokenId',
] as const;

/** A value that the world's one secret holds. No refusal may repeat it. */
export const HIDDEN = 'value-that-no-refusal-repeats';

export async function makeWorld(server: TestServer, slug: string): Promise<World> {
  const { id: organizationId } = await server.organization(slug);
  const { id: projectId } = await server.project(slug, organizationId);
  const project = (await server.do('GET', `/api/v1/projects/${projectId}`)).project;
  const environmentId = project.environments.find((environment: { slug: string }) => environment.slug === 'dev').id;
  const at = { projectId, environment: 'dev' };
  const { folder } = await server.do('POST', '/api/v1/folders', { body: { ...at, name: 'database' } });
  const tag = { slug: `${slug}-tag`, color: '' };
  const { id: tagId } = (await server.do('POST', `/api/v1/projects/${projectId}/tags`, { body: tag })).tag;
  const machine = await server.machine(`${slug}-machine`, { organizationId, projectId, roles: [{ role: 'viewer' }] });
  const member = await server.do('GET', `/api/v1/projects/${projectId}/identity-memberships/${machine.id}`);
  await server.do('PATCH', '/api/v1/admin/config', {
    body: { machineAuthMethods: ['token-auth', 'oidc-auth', 'kubernetes-auth', 'service-token'] },
  });
  const tokenAuth = `/api/v1/auth/token-auth/identities/${machine.id}`;
  await server.do('POST', tokenAuth);
  const { tokenData } = await server.do('POST', `${tokenAuth}/tokens`);
  const serviceToken = {
    ...{ name: `${slug}-service`, workspaceId: projectId, permissions: ['read'] },
    scopes: [{ environment: 'dev', secretPath: '/' }],
  };
  const { serviceTokenData } = await server.do('POST', '/api/v2/service-token', { body: serviceToken });
  const stream = { organizationId, url: 'https://sink.invalid/' };
  const { auditLogStream } = await server.do('POST', '/api/v1/audit-log-streams', { body: stream });
  const members = `/api/v2/organizations/${organizationId}/memberships`;
  const { membership } = await server.do('POST', members, { body: { email: `${slug}@hanzo.ai`, role: 'member' } });
  await server.setSecrets(projectId, 'dev', { DATABASE_URL: HIDDEN });
  const found = await server.do('GET', `/api/v4/secrets/DATABASE_URL?${new URLSearchParams(at)}`);
  const secretId = found.secret.id;
  const secretImportId = await importInto(server, at, { path: '/database' });
  const other = await server.project(`${slug}-other`, organizationId);
  const shareId = await share(server, at, other.id);
  const role = { slug: `${slug}-role`, name: 'A role', permissions: [] };
  const { id: roleId } = (await server.do('POST', `/api/v1/projects/${projectId}/roles`, { body: role })).role;
  const own = { projectId, identityId: machine.id, slug: `${slug}-own`, permissions: [], type: { isTemporary: false } };
  const { privilege } = await server.do('POST', '/api/v2/identity-project-additional-privilege', { body: own });
  const { id: groupId } = await server.do('POST', '/api/v1/groups', {
    body: { name: `${slug} group`, organizationId },
  });
  await server.do('POST', `/api/v1/projects/${projectId}/groups/${groupId}`, { body: { role: 'viewer' } });
  return {
    organizationId,
    projectId,
    slug,
    environmentId,
    folderId: folder.id,
    tagId,
    snapshotId: await firstSnapshot(server, projectId),
    streamId: auditLogStream.id,
    identityId: machine.id,
    identityMembershipId: member.identityMembership.id,
    clientSecretId: machine.clientSecretId,
    membershipId: membership.id,
    userId: membership.userId,
    sessionId: membership.userId,
    secretId,
    secretImportId,
    shareId,
    roleId,
    roleSlug: role.slug,
    privilegeId: privilege.id,
    privilegeSlug: privilege.slug,
    groupId,
    username: `${slug}@hanzo.ai`,
    token: machine.token,
    tokenId: tokenData.id,
    serviceTokenId: serviceTokenData.id,
  };
}

/** A field or parameter by its name, with a value that is right in this world. */
export function rightValue(world: World, name: string): unknown {
  const values: Record<string, unknown> = {
    ...world,
    workspaceId: world.projectId,
    workspaceSlug: world.slug,
    projectSlug: world.slug,
    orgId: world.organizationId,
    tagSlug: `${world.slug}-tag`,
    tagSlugs: [`${world.slug}-tag`],
    tagIds: [world.tagId],
    at: '2026-01-01T00:00:00.000Z',
    version: 1,
    url: 'https://sink.invalid/',
    sourceEnvironment: 'dev',
    sourceSecretPath: '/',
    destinationEnvironment: 'staging',
    destinationSecretPath: '/',
    secretIds: [world.tagId],
    environment: 'dev',
    secretPath: '/',
    path: '/',
    secretName: 'DATABASE_URL',
    import: { environment: 'dev', path: '/database' },
    targetProjectId: world.projectId,
    secretKey: 'DATABASE_URL',
    secretValue: HIDDEN,
    secrets: [{ secretKey: 'DATABASE_URL', secretValue: HIDDEN }],
    register: [{ event: 'secret:create' }],
    name: 'a-name',
    projectName: 'A project',
    organization: 'An organization',
    email: 'someone@hanzo.ai',
    inviteeEmails: ['someone@hanzo.ai'],
    newPassword: 'seven unrelated swans glide',
    isActive: true,
    code: 'no-code-of-an-invitation0000000000000000000',
    challenge: 'no-challenge0000000000000000000000000000000',
    verifier: 'no-verifier00000000000000000000000000000000',
    role: 'no-access',
    permissions: [],
    scopes: [{ environment: 'dev', secretPath: '/' }],
    type: { isTemporary: false },
    action: 'read',
    subject: 'role',
    roles: [{ role: 'viewer', isTemporary: false }],
    temporaryRange: '1h',
    privilegeDetails: { permissions: [] },
    clientId: world.identityId,
    clientSecret: 'st.no-client-secret',
    accessToken: 'no.access.token',
    jwt: 'no.foreign.token',
    oidcDiscoveryUrl: 'https://issuer.example.com',
    boundIssuer: 'https://issuer.example.com',
    boundSubject: 'a-subject',
    kubernetesHost: 'https://cluster.example.com',
    allowedNames: 'a-service-account',
    autoCapitalization: false,
    hasDeleteProtection: false,
    pitVersionLimit: 100,
    auditLogsRetentionDays: 365,
    folders: [{ environment: 'dev', id: world.folderId, name: 'a-name' }],
  };
  return values[name];
}

/** A moment at which the root folder of `dev` changed. */
export async function firstSnapshot(server: TestServer, projectId: string): Promise<string> {
  const url = `/api/v1/workspace/${projectId}/secret-snapshots?environment=dev`;
  return (await server.do('GET', url)).secretSnapshots[0].id;
}
