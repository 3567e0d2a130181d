import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { person } from '../../support/people.ts';
import { startServer, type TestServer } from '../../support/server.ts';

/** Rules, memberships, service tokens and references name environments by slug. A rename must not open or close anything by it. */

let server: TestServer;
let count = 0;
let projectId: string;
let projectSlug: string;
let qa: string;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  ({ id: projectId, slug: projectSlug } = await server.project(`p-${++count}`));
  qa = await environment('qa');
  await server.setSecrets(projectId, 'qa', { KEPT: 'x' });
});

const url = () => `/api/v1/projects/${projectId}/environments`;
async function environment(slug: string): Promise<string> {
  return (await server.do('POST', url(), { body: { name: slug, slug } })).environment.id;
}
const rename = (id: string, slug: string, more: object = {}, token = server.admin) =>
  server.send('PATCH', `${url()}/${id}`, { token, body: { slug, ...more } });
async function idOf(slug: string): Promise<string> {
  const { environments } = (await server.do('GET', `/api/v1/projects/${projectId}`)).project;
  return environments.find((one: any) => one.slug === slug).id;
}

const rule = (action: string[], conditions: object = {}, inverted = false, subject = 'secrets') => ({
  subject,
  action,
  conditions,
  inverted,
});
const ALL = ['read', 'create', 'edit', 'delete'];
const READ = rule(['read']);

/** A machine with a role of these rules; its name is the role's. */
async function holder(...permissions: object[]): Promise<{ id: string; token: string; slug: string; roleId: string }> {
  const slug = `role-${++count}`;
  const { role } = await server.do('POST', `/api/v1/projects/${projectId}/roles`, {
    body: { slug, name: 'A role', permissions },
  });
  return { ...(await server.machine(slug, { projectId, roles: [{ role: slug }] })), slug, roleId: role.id };
}
const read = async (slug: string, token: string) =>
  (await server.send('GET', `/api/v4/secrets?projectId=${projectId}&environment=${slug}`, { token })).status;
const rulesOf = async (slug: string) =>
  (await server.do('GET', `/api/v1/projects/${projectId}/roles/slug/${slug}`)).role.permissions;

test.each([
  { what: 'a word', condition: 'qa', after: 'quality' },
  { what: '$eq', condition: { $eq: 'qa' }, after: { $eq: 'quality' } },
  { what: '$in', condition: { $in: ['dev', 'qa'] }, after: { $in: ['dev', 'quality'] } },
  { what: 'a glob of one name', condition: { $glob: 'qa' }, after: { $glob: 'quality' } },
])('what is forbidden by $what stays forbidden under the new slug', async ({ condition, after }) => {
  const { token, slug } = await holder(READ, rule(['read'], { environment: condition }, true));
  expect(await read('qa', token)).toBe(403);
  expect((await rename(qa, 'quality')).status).toBe(200);
  expect(await read('quality', token)).toBe(403);
  expect((await rulesOf(slug)).find((one: any) => one.inverted).conditions).toEqual({ environment: after });
  // The next of the old slug is another environment, which this rule does not speak of.
  await environment('qa');
  expect(await read('qa', token)).toBe(200);
});

test.each([
  { what: 'a word', condition: 'qa' },
  { what: '$in', condition: { $in: ['qa'] } },
  { what: 'a glob of one name', condition: { $glob: 'qa' } },
])('what is allowed by $what follows, and does not open the next of the old slug', async ({ condition }) => {
  const { token } = await holder(rule(['read'], { environment: condition }));
  expect((await rename(qa, 'quality')).status).toBe(200);
  await environment('qa');
  await server.setSecrets(projectId, 'qa', { OTHER: 'y' });
  expect([await read('quality', token), await read('qa', token)]).toEqual([200, 403]);
});

test('all but one follows the one', async () => {
  const { token } = await holder(rule(['read'], { environment: { $ne: 'qa' } }));
  await rename(qa, 'quality');
  expect([await read('dev', token), await read('quality', token)]).toEqual([200, 403]);
});

test('rights of one membership follow too, and hold in answers from memory', async () => {
  const machine = await server.machine('privileged', { projectId, roles: [{ role: 'viewer' }] });
  await server.do('POST', '/api/v2/identity-project-additional-privilege', {
    body: {
      identityId: machine.id,
      projectId,
      slug: 'not-qa',
      permissions: [rule(['read'], { environment: 'qa' }, true)],
      type: { isTemporary: false },
    },
  });
  expect([await read('qa', machine.token), await read('qa', machine.token)]).toEqual([403, 403]);
  await rename(qa, 'quality');
  expect([await read('quality', machine.token), await read('quality', machine.token)]).toEqual([403, 403]);
});

test('a service token follows, and reads where its one folder is now', async () => {
  await server.do('PATCH', '/api/v1/admin/config', { body: { machineAuthMethods: ['service-token'] } });
  const scopes = [{ environment: 'qa', secretPath: '/' }];
  const body = { name: 'a token', workspaceId: projectId, permissions: ['read'], scopes, expiresIn: null };
  const made = (await server.do('POST', '/api/v2/service-token', { body })).serviceToken;
  await rename(qa, 'quality');
  const own = await server.do('GET', '/api/v2/service-token', { token: made });
  expect(own.scopes).toEqual([{ environment: 'quality', secretPath: '/' }]);
  expect(await read('quality', made)).toBe(200);
  await environment('qa');
  await server.do('DELETE', `${url()}/${qa}`);
  expect((await server.do('GET', '/api/v2/service-token', { token: made })).scopes).toEqual([]);
});

describe('what cannot be written anew is refused', () => {
  test.each([
    { what: 'a glob that would no longer forbid', glob: 'q?', to: 'tested', inverted: true },
    { what: 'a glob that would begin to allow', glob: 'open-*', to: 'open-qa', inverted: false },
    { what: 'a list in braces', glob: '{qa,dev}', to: 'quality', inverted: false },
  ])('$what', async ({ glob, to, inverted }) => {
    const { token, slug } = await holder(READ, rule(['edit'], { environment: { $glob: glob } }, inverted));
    const { status, body } = await rename(qa, to);
    expect([status, body.message, body.details]).toEqual([
      409,
      `environment "qa" of project "${projectSlug}" cannot be renamed to "${to}": rules of "${slug}" reach one of the two names and not the other; change those rules first`,
      { roles: [slug] },
    ]);
    expect(await read('qa', token)).toBe(200);
    // Another name in the reach of the glob is none of its business.
    const within = glob === 'q?' ? 'qq' : undefined;
    if (within) expect((await rename(qa, within)).status).toBe(200);
  });

  test('a role that named the new slug before there was one', async () => {
    await holder(rule(['read'], { environment: 'quality' }));
    const { status } = await rename(qa, 'quality');
    expect(status).toBe(409);
  });

  test('whose rules they are is told to those who may look at roles', async () => {
    await holder(rule(['read'], { environment: 'quality' }));
    const editor = await holder(rule(['read', 'edit'], {}, false, 'environments'));
    const { status, body } = await rename(qa, 'quality', {}, editor.token);
    expect([status, body.details]).toEqual([409, undefined]);
    expect(body.message).toContain('rules of the project reach one of the two names');
  });
});

describe('a name opens nothing to whoever may rename', () => {
  const environments = rule(ALL, {}, false, 'environments');

  test('a developer that may rename makes no other environment dev', async () => {
    const mallory = await holder(environments, rule(ALL, { environment: 'dev' }));
    const vault = await environment('vault');
    await server.setSecrets(projectId, 'vault', { KEPT: 'x' });
    const dev = await idOf('dev');
    expect((await rename(dev, 'gone', {}, mallory.token)).status).toBe(403);
    // Even where the name is free.
    await server.do('PATCH', `${url()}/${dev}`, { body: { slug: 'gone' } });
    const { status, body } = await rename(vault, 'dev', {}, mallory.token);
    expect([status, body.error]).toEqual([403, 'PermissionDenied']);
    expect(await read('vault', mallory.token)).toBe(403);
  });

  test('nor does deleting the one and renaming the other', async () => {
    const mallory = await holder(environments, rule(ALL, { environment: 'dev' }));
    const vault = await environment('vault');
    await server.do('DELETE', `${url()}/${await idOf('dev')}`, { token: mallory.token });
    // What it was allowed there went with the environment.
    expect((await rename(vault, 'dev', {}, mallory.token)).status).toBe(403);
    expect(await read('dev', mallory.token)).toBe(403);
  });

  test('an admin may give the built-in roles another environment', async () => {
    const developer = await server.machine('dev-1', { projectId, roles: [{ role: 'developer' }] });
    await server.do('DELETE', `${url()}/${await idOf('dev')}`);
    expect(await read('qa', developer.token)).toBe(403);
    expect((await rename(qa, 'dev')).status).toBe(200);
    expect(await read('dev', developer.token)).toBe(200);
  });

  test('a rename that touches no rule takes the right to edit environments alone', async () => {
    const { token } = await holder(environments);
    expect((await rename(qa, 'quality', {}, token)).status).toBe(200);
  });
});

describe('a deleted environment', () => {
  test('leaves no way into the next of its slug', async () => {
    const allowed = await holder(rule(['read'], { environment: { $in: ['dev', 'qa'] } }));
    const alone = await holder(rule(['read'], { environment: 'qa' }));
    const member = await server.machine('listed', { projectId, roles: [{ role: 'viewer', environments: ['qa'] }] });
    await server.do('DELETE', `${url()}/${qa}`);
    await environment('qa');
    await server.setSecrets(projectId, 'qa', { NEW: 'y' });
    for (const { token } of [allowed, alone, member]) expect(await read('qa', token)).toBe(403);
    expect(await read('dev', allowed.token)).toBe(200);
    expect(await rulesOf(alone.slug)).toEqual([]);
  });

  test('leaves what was forbidden forbidden', async () => {
    const { token } = await holder(READ, rule(['read'], { environment: 'qa' }, true));
    await server.do('DELETE', `${url()}/${qa}`);
    await environment('qa');
    expect(await read('qa', token)).toBe(403);
  });
});

describe('references within values', () => {
  const to = (name: string) => `$\{${name}}`;
  beforeEach(async () => {
    await server.setSecrets(projectId, 'dev', { URL: `https://${to('qa.KEPT')}/`, OWN: to('URL') });
    await server.setSecrets(projectId, 'prod', { URL: to('qa.KEPT') });
  });
  const expanded = async (slug: string) => {
    const query = new URLSearchParams({ projectId, environment: slug, expandSecretReferences: 'true' });
    return server.send('GET', `/api/v4/secrets/URL?${query}`, { token: server.admin });
  };

  test('a rename that would break them is refused, and says where they are', async () => {
    const { status, body } = await rename(qa, 'quality');
    expect([status, body.details]).toEqual([
      409,
      {
        references: expect.arrayContaining([
          { environment: 'dev', secretPath: '/', secretKey: 'URL' },
          { environment: 'prod', secretPath: '/', secretKey: 'URL' },
        ]),
        others: 0,
      },
    ]);
    expect(body.message).toContain('references in the values of 2 secrets name environment "qa"');
    expect((await expanded('dev')).body.secret.secretValue).toBe('https://x/');
  });

  test('allowed, it tells which ones to change', async () => {
    const { status, body } = await rename(qa, 'quality', { allowBrokenReferences: true });
    expect([status, body.brokenReferences.length, body.otherBrokenReferences]).toEqual([200, 2, 0]);
    // They fail, and are not led elsewhere.
    expect((await expanded('dev')).status).toBe(400);
    await server.do('PATCH', '/api/v4/secrets/URL', {
      body: { projectId, environment: 'dev', secretValue: `https://${to('quality.KEPT')}/` },
    });
    expect((await expanded('dev')).body.secret.secretValue).toBe('https://x/');
  });

  test('where they are is told to those who may read the values', async () => {
    const editor = await holder(
      rule(['read', 'edit'], {}, false, 'environments'),
      rule(['read'], { environment: 'dev' }),
    );
    const { status, body } = await rename(qa, 'quality', {}, editor.token);
    expect([status, body.details]).toEqual([
      409,
      { references: [{ environment: 'dev', secretPath: '/', secretKey: 'URL' }], others: 1 },
    ]);
    expect(JSON.stringify(body)).not.toContain('prod');
  });

  test("those in somebody's own values count, and are told to nobody else", async () => {
    const ada = await person(server, `ada-${count}@hanzo.ai`, { projectId, role: 'admin' });
    const body = { projectId, environment: 'dev', type: 'personal', secretValue: to('qa.KEPT') };
    await server.do('DELETE', '/api/v4/secrets/URL', { body: { projectId, environment: 'prod' } });
    await server.do('PATCH', '/api/v4/secrets/URL', { body: { projectId, environment: 'dev', secretValue: 'plain' } });
    await server.do('POST', '/api/v4/secrets/URL', { token: ada.token, body });
    expect((await rename(qa, 'quality')).body.details).toEqual({ references: [], others: 1 });
    expect((await rename(qa, 'quality', {}, ada.token)).body.details).toEqual({
      references: [{ environment: 'dev', secretPath: '/', secretKey: 'URL' }],
      others: 0,
    });
  });

  test('those behind the first thousand values count', async () => {
    const many = (n: number) =>
      Object.fromEntries(Array.from({ length: 700 }, (_, i) => [`K${n}_${i}`, to('qa.KEPT')]));
    await server.setSecrets(projectId, 'staging', many(1));
    await server.setSecrets(projectId, 'staging', many(2));
    const { references, others } = (await rename(qa, 'quality')).body.details;
    expect(references.length + others).toBe(1402);
  });

  test('those of projects that share its folders count', async () => {
    const other = await server.project(`other-${count}`);
    await server.do('DELETE', '/api/v4/secrets/URL', { body: { projectId, environment: 'dev' } });
    await server.do('DELETE', '/api/v4/secrets/URL', { body: { projectId, environment: 'prod' } });
    await server.do('POST', `/api/v1/projects/${projectId}/folder-shares`, {
      body: { environment: 'qa', path: '/', targetProjectId: other.id },
    });
    await server.setSecrets(other.id, 'dev', { FAR: to(`@${projectSlug}.qa.KEPT`) });
    const { status, body } = await rename(qa, 'quality');
    expect([status, body.details]).toEqual([409, { references: [], others: 1 }]);
  });

  test('a value that was broken in the database does not hold a rename up', async () => {
    await server.sql.query(
      `update secrets s set sealed_value = 'broken' from environments e
        where e.id = s.environment_id and s.project_id = $1 and e.slug = 'dev'`,
      [projectId],
    );
    expect((await rename(qa, 'quality')).body.details.references).toEqual([
      { environment: 'prod', secretPath: '/', secretKey: 'URL' },
    ]);
    expect((await rename(qa, 'quality', { allowBrokenReferences: true })).status).toBe(200);
  });

  test('another name for people is no rename', async () => {
    expect((await rename(qa, 'qa', { name: 'Quality' })).status).toBe(200);
  });
});
