import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { expectDocumented } from './documented.ts';
import { makeWorld, type World } from './world.ts';

/** What Infisical's clients send and read beside the main way: empty texts for absent ones, fields that only some of them decode. */

let server: TestServer;
let world: World;
let stranger: World;
let outsider: Machine;

beforeAll(async () => {
  server = await startServer();
  world = await makeWorld(server, 'facts');
  stranger = await makeWorld(server, 'elsewhere');
  outsider = await server.machine('outsider', { organizationId: world.organizationId, role: 'member' });
});
afterAll(() => server.close());

const get = (url: string) => server.do('GET', url);

describe('an empty text is an absent one', () => {
  const at = () => `projectId=${world.projectId}`;
  test.each<[string, () => string]>([
    ['the pages of the audit', () => `/api/v1/audit-logs?${at()}&limit=&offset=&cursor=&eventType=&startDate=`],
    ['the audit of a project', () => `/api/v1/workspace/${world.projectId}/audit-logs?limit=&offset=&actor=`],
    ['identities', () => `/api/v2/organizations/${world.organizationId}/identity-memberships?limit=&offset=`],
    [
      'identities of a project',
      () => `/api/v1/projects/${world.projectId}/identity-memberships?limit=&offset=&search=`,
    ],
    ['tokens', () => `/api/v1/auth/token-auth/identities/${world.identityId}/tokens?limit=&offset=`],
    ['the people of a group', () => `/api/v1/groups/${world.groupId}/users?limit=&offset=&search=&filter=`],
    ['why', () => `/api/v1/projects/${world.projectId}/access/explain?action=read&subject=&environment=&path=&key=`],
  ])('in %s', async (_name, url) => {
    await get(url());
  });

  test('in the bodies of secrets', async () => {
    const place = { workspaceId: world.projectId, projectId: '', environment: 'dev', secretPath: '', type: '' };
    for (const base of ['/api/v3/secrets/raw', '/api/v4/secrets']) {
      const made = await server.do('POST', `${base}/EMPTY`, { body: { ...place, secretValue: 'x' } });
      expect(made.secret).toMatchObject({ type: 'shared', secretPath: '/' });
      await server.do('PATCH', `${base}/EMPTY`, { body: { ...place, newSecretName: '', secretValue: 'y' } });
      await server.do('DELETE', `${base}/EMPTY`, { body: { ...place, secretPath: null } });
    }
    const batch = { ...place, secretPath: null, mode: '', secrets: [{ secretKey: 'NOT_THERE', secretValue: 'x' }] };
    expectDocumented(await server.send('PATCH', '/api/v4/secrets/batch', { token: server.admin, body: batch }), 404);
  });

  test('in those of identities and searches', async () => {
    const { organizationId } = world;
    const { identity } = await server.do('POST', '/api/v1/identities', {
      body: { name: 'e', organizationId, role: '' },
    });
    expect((await get(`/api/v1/identities/${identity.id}`)).identity.role).toBe('no-access');
    await server.do('POST', '/api/v1/identities/search', { body: { organizationId, orderBy: '', orderDirection: '' } });
    await server.do('DELETE', `/api/v1/identities/${identity.id}`);
  });
});

test('a slash behind an address changes nothing', async () => {
  const query = `environment=dev&workspaceId=${world.projectId}&secretPath=/&include_imports=true`;
  expect(await get(`/api/v3/secrets/raw/?${query}`)).toEqual(await get(`/api/v3/secrets/raw?${query}`));
});

describe('what was last seen', () => {
  const tokens = () => `/api/v1/auth/token-auth/identities/${world.identityId}/tokens`;
  const list = () => `/api/v4/secrets?projectId=${world.projectId}&environment=dev`;

  test('a token of Token Auth tells its uses and when they were', async () => {
    const { accessToken, tokenData } = await server.do('POST', tokens());
    const shown = async () => (await get(`${tokens()}/${tokenData.id}`)).token;
    expect(tokenData).toMatchObject({ accessTokenNumUses: 0, accessTokenLastUsedAt: null });
    // The third one comes from memory, before any route.
    for (const _ of [1, 2, 3]) await server.do('GET', list(), { token: accessToken });
    await server.do('POST', '/api/v1/auth/token/renew', { token: undefined, body: { accessToken } });
    const used = await shown();
    expect(used).toMatchObject({ accessTokenNumUses: 3, accessTokenLastRenewedAt: expect.any(String) });
    expect(Date.parse(used.accessTokenLastUsedAt)).toBeGreaterThanOrEqual(Date.parse(tokenData.createdAt));
    await server.do('POST', `/api/v1/auth/token-auth/tokens/${tokenData.id}/revoke`);
    expectDocumented(await server.send('GET', list(), { token: accessToken }), 401);
    expect(await shown()).toMatchObject({ accessTokenNumUses: 3, accessTokenLastUsedAt: used.accessTokenLastUsedAt });
  });

  test('a limited token tells the uses that it has taken, each once', async () => {
    const settings = `/api/v1/auth/token-auth/identities/${world.identityId}`;
    await server.do('PATCH', settings, { body: { accessTokenNumUsesLimit: 2 } });
    const { accessToken, tokenData } = await server.do('POST', tokens());
    const ask = async () => (await server.send('GET', list(), { token: accessToken })).status;
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 401]);
    const { token } = await get(`${tokens()}/${tokenData.id}`);
    expect(token).toMatchObject({ accessTokenNumUses: 2, accessTokenNumUsesLimit: 2 });
    await server.do('PATCH', settings, { body: { accessTokenNumUsesLimit: 0 } });
  });

  test('a service token tells when it was last used', async () => {
    const scopes = [{ environment: 'dev', secretPath: '/' }];
    const body = { name: 'seen', workspaceId: world.projectId, scopes, permissions: ['read'] };
    const { serviceToken, serviceTokenData } = await server.do('POST', '/api/v2/service-token', { body });
    const lastUsed = async () => {
      const { serviceTokenData: all } = await get(`/api/v1/workspace/${world.projectId}/service-token-data`);
      return all.find(({ id }: { id: string }) => id === serviceTokenData.id).lastUsed;
    };
    expect(await lastUsed()).toBeNull();
    await server.do('GET', '/api/v3/secrets/raw', { token: serviceToken });
    expect(await lastUsed()).toEqual(expect.any(String));
  });

  test('a machine tells how and when it last logged in, wherever it is shown', async () => {
    const { organizationId } = world;
    const machine = await server.machine('seen', { organizationId });
    const last = { lastLoginAuthMethod: 'universal-auth', lastLoginTime: expect.any(String) };
    expect((await get(`/api/v1/identities/${machine.id}`)).identity).toMatchObject(last);
    const search = { organizationId, search: { name: 'seen' } };
    const found = await server.do('POST', '/api/v2/identities/search', { body: search });
    expect(found.identities).toMatchObject([last]);
  });

  test('nothing is written for tokens that no list shows', async () => {
    await get(list());
    const { rows } = await server.sql.query(
      'select from token_uses u join access_tokens t on t.id = u.token_id where t.client_secret_id is not null',
    );
    expect(rows).toEqual([]);
  });
});

describe('what the caller may do in a project', () => {
  test.each(['projects', 'workspace'])('is told below /api/v1/%s', async (family) => {
    const url = `/api/v1/${family}/${world.projectId}/permissions`;
    const { data } = await server.do('GET', url, { token: world.token });
    expect(data.memberships).toMatchObject([{ actorIdentityId: world.identityId, roles: [{ role: 'viewer' }] }]);
    expect(data.membership).toEqual(data.memberships[0]);
    expect(data.permissions).toContainEqual({ subject: 'secrets', action: ['read'] });
    expect((await get(url)).data).toMatchObject({ memberships: [], permissions: expect.any(Array) });
    expectDocumented(await server.send('GET', url, { token: outsider.token }), 403);
    expectDocumented(await server.send('GET', url, { token: stranger.token }), 404);
  });

  test('a limit of the membership is among the conditions', async () => {
    const { projectId, organizationId } = world;
    const roles = [{ role: 'developer', environments: ['dev'] }];
    const machine = await server.machine('limited', { organizationId, projectId, roles });
    const url = `/api/v1/projects/${projectId}/permissions`;
    const { permissions } = (await server.do('GET', url, { token: machine.token })).data;
    const conditions = { environment: { $in: ['dev'] } };
    expect(permissions[0]).toEqual({ subject: 'secrets', action: ['read', 'create', 'edit', 'delete'], conditions });
    expect(permissions.every((rule: any) => rule.conditions.environment.$in.join() === 'dev')).toBe(true);
  });
});

describe('fields', () => {
  test("a person's memberships tell their roles in full, and of this organization alone", async () => {
    const { projectId, organizationId, membershipId, username, roleSlug } = world;
    const body = { emails: [username], roleSlugs: ['member', roleSlug] };
    await server.do('POST', `/api/v1/projects/${projectId}/memberships`, { body });
    const url = `/api/v2/organizations/${organizationId}/memberships/${membershipId}/project-memberships`;
    const { memberships } = await get(url);
    expect(memberships).toMatchObject([
      {
        project: { id: projectId, slug: 'facts', type: 'secret-manager' },
        user: { username, publicKey: null },
        roles: [
          { role: 'custom', customRoleSlug: roleSlug, customRoleName: 'A role', temporaryMode: null },
          { role: 'member', customRoleId: null, isTemporary: false },
        ],
      },
    ]);
    expectDocumented(await server.send('GET', url, { token: world.token }), 403);
    expectDocumented(await server.send('GET', url, { token: stranger.token }), 404);
  });

  test('a role is called as it was given, and gives what it is', async () => {
    const { projectId, organizationId } = world;
    const machine = await server.machine('as-member', { organizationId });
    for (const base of ['/api/v2/workspace', '/api/v1/projects']) {
      const url = `${base}/${projectId}/identity-memberships/${machine.id}`;
      await server.do('POST', url, { body: { role: 'member' } });
      expect((await get(url)).identityMembership.roles).toMatchObject([{ role: 'member' }]);
      const found = await get(`${base}/${projectId}/identity-memberships?roles=member`);
      expect(found.identityMemberships).toContainEqual(expect.objectContaining({ identityId: machine.id }));
      await server.do('PATCH', url, {
        body: { roles: [{ role: 'developer' }, { role: 'member', environments: ['dev'] }] },
      });
      const roles = (await get(url)).identityMembership.roles.map(({ role }: { role: string }) => role).sort();
      expect(roles).toEqual(['developer', 'member']);
      const held = await server.do('GET', `/api/v1/projects/${projectId}/permissions`, { token: machine.token });
      expect(held.data.memberships[0].roles).toEqual([{ role: 'developer' }, { role: 'developer' }]);
      await server.do('DELETE', url);
    }
  });

  test.each<[string, () => Promise<unknown>, unknown]>([
    [
      'a changed organization',
      () => server.do('PATCH', `/api/v1/organization/${world.organizationId}`, { body: { name: 'Facts' } }),
      { message: expect.any(String), organization: { name: 'Facts', customerId: null, scimEnabled: false } },
    ],
    [
      'the projects of an organization',
      () => get(`/api/v2/organizations/${stranger.organizationId}/workspaces`),
      { workspaces: [{ organization: expect.any(String) }, { organization: expect.any(String) }] },
    ],
    [
      'the people of an organization',
      () => get(`/api/v2/organizations/${world.organizationId}/memberships`),
      { users: [{ lastLoginTime: null, projectFavorites: null, user: { isEmailVerified: false, publicKey: null } }] },
    ],
    [
      'a record of the audit',
      () => get(`/api/v1/workspace/${world.projectId}/audit-logs?limit=1`),
      { auditLogs: [{ updatedAt: expect.any(String), expiresAt: null }] },
    ],
    [
      'a project',
      () => get(`/api/v2/workspace/${world.slug}`),
      { kmsSecretManagerKeyId: null, kmsCertificateKeyId: null, _id: expect.any(String) },
    ],
  ])('%s tells what its readers decode', async (_name, ask, expected) => {
    expect(await ask()).toMatchObject(expected as object);
  });

  test('a list of the past names its folder, deleted or not', async () => {
    const place = { projectId: world.projectId, environment: 'staging' };
    const { folder } = await server.do('POST', '/api/v1/folders', { body: { ...place, name: 'gone' } });
    await server.setSecrets(world.projectId, 'staging', { KEY: 'x' }, '/gone');
    const asOf = new Date(Date.now() + 1).toISOString();
    const then = (path: string) => get(`/api/v4/secrets?${new URLSearchParams({ ...place, secretPath: path, asOf })}`);
    expect((await then('/gone')).folder).toMatchObject({ id: folder.id, projectId: world.projectId });
    await new Promise((resolve) => setTimeout(resolve, 2));
    await server.do('DELETE', '/api/v1/folders/gone', { body: { ...place, path: '/' } });
    await server.do('POST', '/api/v1/folders', { body: { ...place, name: 'gone' } });
    const past = await then('/gone');
    expect(past).toMatchObject({ secrets: [{ secretKey: 'KEY' }], imports: [], folder: { id: folder.id } });
    const now = await get(`/api/v4/secrets?${new URLSearchParams({ ...place, secretPath: '/' })}`);
    expect((await then('/')).folder).toEqual(now.folder);
  });
});
