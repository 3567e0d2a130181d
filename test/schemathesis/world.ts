import { newClientSecret } from '../../keys/index.ts';
import type { Values } from './document.ts';

/** What there is to be asked about, and who asks. */
export interface World {
  /** Admin of the world's organization, and of the instance. */
  readonly admin: string;
  /** A member of the organization that may do nothing. */
  readonly rightless: string;
  /** A person, who is admin of an organization. */
  readonly person: string;
  readonly values: Values;
}

type Send = (method: string, path: string, body?: object) => Promise<any>;

/** The first admins of an empty server: a machine and a person. */
export async function setUp(base: string): Promise<{ admin: string; person: string }> {
  const credential = newClientSecret();
  const first = { email: 'first@example.com', password: newClientSecret(), organization: 'Example', credential };
  const stranger = sender(base);
  const { identity } = await stranger('POST', '/api/v1/admin/bootstrap', first);
  const { clientId } = identity.credentials;
  const login = { clientId, clientSecret: credential };
  const { accessToken: admin } = await stranger('POST', '/api/v1/auth/universal-auth/login', login);
  const { accessToken: person } = await stranger('POST', '/api/v3/auth/login', first);
  const methods = ['token-auth', 'oidc-auth', 'kubernetes-auth', 'service-token'];
  await sender(base, admin)('PATCH', '/api/v1/admin/config', { machineAuthMethods: methods });
  return { admin, person };
}

/** Makes an organization with something of everything in it, through the API. */
export async function makeWorld(
  base: string,
  name: string,
  { admin, person }: { admin: string; person: string },
): Promise<World> {
  const send = sender(base, admin);
  const { organization } = await send('POST', '/api/v2/organizations', { name, slug: name });
  const { organization: spare } = await send('POST', '/api/v2/organizations', { name: `${name}-spare` });
  const organizationId: string = organization.id;
  const invited = { organizationId, inviteeEmails: ['first@example.com'], organizationRoleSlug: 'admin' };
  const { completeInviteLinks } = await send('POST', '/api/v1/invite-org/signup', invited);
  const code = new URL(completeInviteLinks[0].link, base).searchParams.get('token');
  await sender(base, person)('POST', '/api/v1/invite-org/accept', { organizationId, code });
  const made = [];
  for (const which of ['reader', 'spare', 'nobody']) made.push(await makeMachine(send, organizationId, which));
  const [reader, other, nobody] = made as [Machine, Machine, Machine];
  const project = await makeProject(send, organizationId, `${name}-gateway`, reader);
  const second = await makeProject(send, organizationId, `${name}-billing`, reader);
  const shared = { environment: 'dev', path: '/api', targetProjectId: second.projectId };
  const share = await send('POST', `/api/v1/projects/${project.projectId}/folder-shares`, shared);
  const group = await send('POST', '/api/v1/groups', { name: 'team', organizationId });
  const grouped = await send('POST', '/api/v1/groups', { name: 'spare', organizationId });
  await send('POST', `/api/v1/projects/${project.projectId}/groups/${group.id}`, { role: 'viewer' });
  const receiver = { organizationId, url: 'https://receiver.example/audit' };
  const { auditLogStream } = await send('POST', '/api/v1/audit-log-streams', receiver);
  const { users } = await send('GET', `/api/v2/organizations/${organizationId}/memberships`);
  const login = { clientId: nobody.clientId, clientSecret: nobody.clientSecret };
  const { accessToken: rightless } = await sender(base)('POST', '/api/v1/auth/universal-auth/login', login);
  const both = Object.entries(project).map(([field, value]) => [field, [value, second[field as keyof Project]]]);

  return {
    admin,
    person,
    rightless,
    values: {
      ...Object.fromEntries(both),
      organizationId: [organizationId],
      organizationSlug: [organization.slug],
      spareOrganizationId: [spare.id],
      organizationMembershipId: users.map(({ id }: { id: string }) => id),
      identityId: [reader.identityId, other.identityId],
      clientSecretId: [reader.clientSecretId, other.clientSecretId],
      clientId: [reader.clientId, other.clientId],
      clientSecret: [reader.clientSecret, other.clientSecret],
      tokenId: [reader.tokenId, other.tokenId],
      groupId: [group.id, grouped.id],
      shareId: [share.folderShare.id],
      streamId: [auditLogStream.id],
      environment: ['dev', 'staging', 'prod'],
      secretPath: ['/', '/api'],
      secretName: ['DATABASE_URL', 'API_KEY', 'NEW'],
      username: ['first@example.com'],
      roleSlug: ['reading'],
      tagSlug: ['team'],
      privilegeSlug: ['more'],
    },
  };
}

const sender =
  (base: string, token?: string): Send =>
  async (method, path, body) => {
    const answer = await fetch(base + path, {
      method,
      headers: {
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };

type Project = Awaited<ReturnType<typeof makeProject>>;
type Machine = Awaited<ReturnType<typeof makeMachine>>;

/** A project with what a project can hold. */
async function makeProject(send: Send, organizationId: string, slug: string, { identityId }: Machine) {
  const { project } = await send('POST', '/api/v1/projects', { projectName: slug, slug, organizationId });
  const projectId: string = project.id;
  const at = { projectId, environment: 'dev' };
  const { folder } = await send('POST', '/api/v2/folders', { ...at, name: 'api', path: '/' });
  const { tag } = await send('POST', `/api/v1/projects/${projectId}/tags`, { slug: 'team', color: '#ffffff' });
  const secrets = ['DATABASE_URL', 'API_KEY'].map((secretKey) => ({ secretKey, secretValue: `of ${slug}` }));
  const batch = await send('POST', '/api/v4/secrets/batch', { ...at, secretPath: '/', secrets });
  await send('POST', '/api/v4/secrets/batch', { ...at, secretPath: '/api', secrets });
  const imported = { projectId, environment: 'staging', path: '/', import: { environment: 'dev', path: '/api' } };
  const { secretImport } = await send('POST', '/api/v2/secret-imports', imported);
  const permissions = [{ action: 'read', subject: 'secrets' }];
  const role = { slug: 'reading', name: 'Reading', permissions };
  const roles = await send('POST', `/api/v1/projects/${projectId}/roles`, role);
  await send('POST', `/api/v2/workspace/${projectId}/identity-memberships/${identityId}`, { role: 'viewer' });
  const more = { identityId, projectId, slug: 'more', permissions, type: { isTemporary: false } };
  const { privilege } = await send('POST', '/api/v2/identity-project-additional-privilege', more);
  const scopes = [{ environment: 'dev', secretPath: '/' }];
  const asked = { name: 'old', workspaceId: projectId, scopes, permissions: ['read'], expiresIn: null };
  const { serviceTokenData } = await send('POST', '/api/v2/service-token', asked);
  await send('POST', `/api/v1/projects/${projectId}/memberships`, { emails: ['first@example.com'] });
  const { memberships } = await send('GET', `/api/v1/projects/${projectId}/memberships`);
  const snapshots = await send(
    'GET',
    `/api/v1/workspace/${projectId}/secret-snapshots?environment=dev&path=/&offset=0&limit=5`,
  );
  return {
    projectId,
    projectSlug: slug,
    environmentId: project.environments[0].id as string,
    folderId: folder.id as string,
    tagId: tag.id as string,
    secretId: batch.secrets[0].id as string,
    secretImportId: secretImport.id as string,
    roleId: roles.role.id as string,
    privilegeId: privilege.id as string,
    serviceTokenId: serviceTokenData.id as string,
    membershipId: memberships[0].id as string,
    snapshotId: snapshots.secretSnapshots[0].id as string,
  };
}

async function makeMachine(send: Send, organizationId: string, name: string) {
  const { identity } = await send('POST', '/api/v1/identities', { name, organizationId, role: 'no-access' });
  const base = `/api/v1/auth/universal-auth/identities/${identity.id}`;
  const { identityUniversalAuth } = await send('POST', base, {});
  const made = await send('POST', `${base}/client-secrets`, {});
  await send('POST', `/api/v1/auth/token-auth/identities/${identity.id}`, {});
  const token = await send('POST', `/api/v1/auth/token-auth/identities/${identity.id}/tokens`, {});
  return {
    identityId: identity.id as string,
    clientId: identityUniversalAuth.clientId as string,
    clientSecret: made.clientSecret as string,
    clientSecretId: made.clientSecretData.id as string,
    tokenId: token.tokenData.id as string,
  };
}
