import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

/** HIP-27's access table ("Environments"), as the built-in roles grant it. */
const ENVIRONMENTS = ['dev', 'staging', 'prod'] as const;
const ACTIONS = ['read', 'create', 'edit', 'delete'] as const;
type Environment = (typeof ENVIRONMENTS)[number];
type Action = (typeof ACTIONS)[number];

const ALL: readonly Action[] = ACTIONS;
const READ: readonly Action[] = ['read'];
const NONE: readonly Action[] = [];

interface Row {
  who: string;
  roles?: readonly { role: string; environments?: string[] }[];
  organizationRole?: string;
  /** What a refusal says: members of the organization are told 403, others know of no project. */
  refusal: 403 | 404;
  may: Record<Environment, readonly Action[]>;
}

const table: Row[] = [
  { who: 'admin', roles: [{ role: 'admin' }], refusal: 403, may: { dev: ALL, staging: ALL, prod: ALL } },
  { who: 'developer', roles: [{ role: 'developer' }], refusal: 403, may: { dev: ALL, staging: ALL, prod: NONE } },
  { who: 'member', roles: [{ role: 'member' }], refusal: 403, may: { dev: ALL, staging: ALL, prod: NONE } },
  { who: 'ci', roles: [{ role: 'ci' }], refusal: 403, may: { dev: NONE, staging: READ, prod: READ } },
  { who: 'viewer', roles: [{ role: 'viewer' }], refusal: 403, may: { dev: READ, staging: READ, prod: READ } },
  { who: 'no-access', roles: [{ role: 'no-access' }], refusal: 403, may: { dev: NONE, staging: NONE, prod: NONE } },
  { who: 'organization admin', organizationRole: 'admin', refusal: 403, may: { dev: ALL, staging: ALL, prod: ALL } },
  {
    who: 'organization member',
    organizationRole: 'member',
    refusal: 403,
    may: { dev: NONE, staging: NONE, prod: NONE },
  },
  { who: 'stranger', refusal: 404, may: { dev: NONE, staging: NONE, prod: NONE } },
  {
    who: 'viewer of prod',
    roles: [{ role: 'viewer', environments: ['prod'] }],
    refusal: 403,
    may: { dev: NONE, staging: NONE, prod: READ },
  },
  {
    who: 'viewer of production',
    roles: [{ role: 'viewer', environments: ['production'] }],
    refusal: 403,
    may: { dev: NONE, staging: NONE, prod: READ },
  },
  {
    who: 'admin of dev',
    roles: [{ role: 'admin', environments: ['dev'] }],
    refusal: 403,
    may: { dev: ALL, staging: NONE, prod: NONE },
  },
  // A limit narrows what the role reaches, and never widens it.
  {
    who: 'developer of prod',
    roles: [{ role: 'developer', environments: ['prod'] }],
    refusal: 403,
    may: { dev: NONE, staging: NONE, prod: NONE },
  },
  {
    who: 'developer, and viewer of prod',
    roles: [{ role: 'developer' }, { role: 'viewer', environments: ['prod'] }],
    refusal: 403,
    may: { dev: ALL, staging: ALL, prod: READ },
  },
];

let server: TestServer;
let project: { id: string; slug: string };
const machines = new Map<string, Machine>();

beforeAll(async () => {
  server = await startServer();
  project = await server.project('gateway');
  const lux = await server.organization('lux');
  for (const environment of ENVIRONMENTS) {
    await server.setSecrets(project.id, environment, { KEPT: `planted-${environment}`, NEIGHBOUR: 'planted' });
    await server.do('POST', '/api/v1/folders', { body: { projectId: project.id, environment, name: 'kept' } });
  }
  for (const { who, roles, organizationRole } of table) {
    const membership = roles ? { projectId: project.id, roles } : {};
    const home = who === 'stranger' ? { organizationId: lux.id } : {};
    machines.set(who, await server.machine(who, { ...membership, ...home, role: organizationRole ?? 'no-access' }));
  }
});
afterAll(() => server.close());

/** Every route of an action on secrets and folders, with a request that succeeds for whoever may do it. */
function requests(action: Action, environment: string, key: string): [string, string, object?][] {
  const at = { projectId: project.id, environment };
  const query = new URLSearchParams(at);
  const one = { secretKey: `${key}_B`, secretValue: 'x' };
  switch (action) {
    case 'read':
      return [
        ['GET', `/api/v4/secrets?${query}`],
        ['GET', `/api/v3/secrets/raw?${query}`],
        ['GET', `/api/v4/secrets?recursive=true&${query}`],
        ['GET', `/api/v4/secrets?viewSecretValue=false&${query}`],
        ['GET', `/api/v4/secrets/KEPT?${query}`],
        ['GET', `/api/v3/secrets/raw/KEPT?version=1&${query}`],
        ['GET', `/api/v1/folders?${query}`],
        ['GET', `/api/v2/folders?recursive=true&${query}`],
      ];
    case 'create':
      return [
        ['POST', `/api/v4/secrets/${key}`, { ...at, secretValue: 'x' }],
        ['POST', '/api/v3/secrets/batch/raw', { ...at, secrets: [one] }],
        ['POST', '/api/v1/folders', { ...at, name: key }],
      ];
    case 'edit':
      return [
        ['PATCH', '/api/v3/secrets/raw/KEPT', { ...at, secretComment: key }],
        ['PATCH', '/api/v4/secrets/batch', { ...at, secrets: [{ secretKey: 'KEPT' }] }],
        ['PATCH', '/api/v4/secrets/batch', { ...at, mode: 'ignore', secrets: [{ secretKey: 'KEPT' }] }],
      ];
    case 'delete':
      return [
        ['DELETE', `/api/v4/secrets/${key}`, at],
        ['DELETE', '/api/v3/secrets/batch/raw', { ...at, secrets: [{ secretKey: `${key}_B` }] }],
        ['DELETE', `/api/v1/folders/${key}`, at],
      ];
  }
}

describe.each(table)('$who', ({ who, refusal, may }) => {
  test.each(ENVIRONMENTS.flatMap((environment) => ACTIONS.map((action) => ({ environment, action }))))(
    `${who}: $action in $environment is as HIP-27 says`,
    async ({ environment, action }) => {
      const { token } = machines.get(who)!;
      const allowed = may[environment].includes(action);
      const key = `${who}-${environment}-${action}`.replace(/[^a-z-]/g, '_');
      // Somebody else made what is to be deleted, so that a refusal is not for want of a thing.
      if (action === 'delete') {
        for (const [method, url, body] of requests('create', environment, key)) await server.do(method, url, { body });
      }
      for (const named of environment === 'prod' ? ['prod', 'production'] : [environment]) {
        if (action !== 'read' && named === 'production' && allowed) continue;
        for (const [method, url, body] of requests(action, named, key)) {
          const answer = await server.send(method, url, { token, body });
          expect([url, answer.status], answer.text).toEqual([url, allowed ? 200 : refusal]);
          // A refusal names what its caller named, and nothing else that is there.
          if (!allowed) expect(answer.text).not.toMatch(/NEIGHBOUR|planted/);
        }
      }
    },
  );
});

test('a refusal says what is missing, and to whom', async () => {
  const { token } = machines.get('developer')!;
  const { status, body } = await server.send('GET', '/api/v4/secrets?projectSlug=gateway&environment=prod', { token });
  expect(status).toBe(403);
  expect(body).toMatchObject({
    statusCode: 403,
    error: 'PermissionDenied',
    message:
      'developer may not read secrets in environment "prod" of project "gateway"; its roles there are: developer@*',
    details: { action: 'read', subject: 'secrets', environment: 'prod' },
  });
});

test('an upsert takes the right to create too', async () => {
  // No built-in role may edit and not create, so the rule is looked at where the rights are asked.
  const { token } = machines.get('viewer')!;
  const body = {
    projectId: project.id,
    environment: 'dev',
    mode: 'upsert',
    secrets: [{ secretKey: 'N', secretValue: '' }],
  };
  expect((await server.send('PATCH', '/api/v4/secrets/batch', { token, body })).status).toBe(403);
});

test('a folder by id is as closed as its environment', async () => {
  const { folders } = await server.do('GET', `/api/v1/folders?projectId=${project.id}&environment=prod`);
  const { id } = folders.find((folder: any) => folder.name === 'kept');
  const get = async (who: string) =>
    (await server.send('GET', `/api/v1/folders/${id}`, { token: machines.get(who)!.token })).status;
  expect([await get('viewer of prod'), await get('developer'), await get('stranger')]).toEqual([200, 403, 404]);
  // Named by id through an environment that the caller may write: the folder is not there.
  const body = { projectId: project.id, environment: 'dev', name: 'stolen' };
  for (const method of ['PATCH', 'DELETE']) {
    const answer = await server.send(method, `/api/v1/folders/${id}`, {
      token: machines.get('developer')!.token,
      body,
    });
    expect([answer.status, answer.body.message]).toEqual([404, `folder "${id}" not found in "/" of environment "dev"`]);
  }
});

test('a temporary role ends, and one to come has not begun', async () => {
  const start = new Date(Date.now() + 1500);
  const early = await server.machine('early', {
    projectId: project.id,
    roles: [
      {
        role: 'viewer',
        isTemporary: true,
        temporaryMode: 'relative',
        temporaryRange: '2s',
        temporaryAccessStartTime: start.toISOString(),
      } as { role: string },
    ],
  });
  const read = async () => {
    const { status } = await server.send('GET', `/api/v4/secrets?projectId=${project.id}&environment=prod`, {
      token: early.token,
    });
    return status;
  };
  expect(await read()).toBe(403);
  await expect.poll(read, { timeout: 5000, interval: 50 }).toBe(200);
  // Held in memory now, and no row changes when the time is over.
  expect(await read()).toBe(200);
  await expect.poll(read, { timeout: 5000, interval: 50 }).toBe(403);
  expect(Date.now()).toBeGreaterThanOrEqual(start.getTime() + 2000);
  const member = `/api/v2/workspace/${project.id}/identity-memberships/${early.id}`;
  const { identityMembership } = await server.do('GET', member);
  expect(identityMembership.roles).toMatchObject([
    {
      role: 'viewer',
      isTemporary: true,
      temporaryMode: 'relative',
      temporaryRange: '2s',
      temporaryAccessStartTime: start.toISOString(),
      temporaryAccessEndTime: new Date(start.getTime() + 2000).toISOString(),
    },
  ]);
});

test.each(['viewer', 'developer', 'ci', 'admin of dev'])('%s cannot change the project itself', async (who) => {
  const { token } = machines.get(who)!;
  const { environments } = (await server.do('GET', `/api/v1/projects/${project.id}`)).project;
  const environment = environments[0].id;
  for (const [method, url, body] of [
    ['PATCH', `/api/v1/projects/${project.id}`, { name: 'taken' }],
    ['DELETE', `/api/v1/projects/${project.id}`],
    ['PATCH', '/api/v2/workspace/gateway', { name: 'taken' }],
    ['DELETE', '/api/v2/workspace/gateway'],
    ['DELETE', `/api/v1/workspace/${project.id}`],
    ['POST', `/api/v1/projects/${project.id}/environments`, { name: 'QA', slug: 'qa' }],
    ['PATCH', `/api/v1/workspace/${project.id}/environments/${environment}`, { slug: 'qa' }],
    ['DELETE', `/api/v1/workspace/${project.id}/environments/${environment}`],
  ] as const) {
    const answer = await server.send(method, url, { token, body });
    expect([url, answer.status], answer.text).toEqual([url, 403]);
  }
});
