import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';
import { expectDocumented } from './documented.ts';
import { type Route, routesOf, urlOf } from './routes.ts';
import { HIDDEN, makeWorld, rightValue, type World } from './world.ts';

// Each test asks every route there is, and some of them in many ways.
vi.setConfig({ testTimeout: 90_000 });

/** An admin of one organization asks for what another has. */

let server: TestServer;
let theirs: World;
let ours: World;
let stranger: string;
let routes: Route[];

beforeAll(async () => {
  server = await startServer();
  theirs = await makeWorld(server, 'theirs');
  ours = await makeWorld(server, 'ours');
  stranger = (await server.machine('stranger', { organizationId: ours.organizationId, role: 'admin' })).token;
  routes = (await routesOf(server.app)).filter(pointsAtSomething);
  expect(routes.length).toBeGreaterThan(70);
});
afterAll(() => server.close());

const PROJECTS = ['projectId', 'workspaceId', 'projectSlug', 'workspaceSlug'];
const IDS = [...PROJECTS, 'organizationId', 'orgId'];
const fieldsOf = (route: Route) => ({ ...route.query.properties, ...route.body?.properties });
const isPublic = ({ path }: Route) =>
  /^\/api\/(v1\/admin|v3\/signup|v1\/invite-org\/verify|v2\/password\/password-reset)\b/.test(path) ||
  (/\/(login|renew|revoke)$/.test(path) && !path.includes('{'));

/** A person's own account, which no request can name another's of (test/server/people). */
const isOwn = ({ path }: Route) => path.includes('/me/') || path === '/api/v1/sso/oidc/link';

function pointsAtSomething(route: Route): boolean {
  if (isPublic(route) || isOwn(route)) return false;
  return route.params.some((name) => name !== 'secretName') || IDS.some((name) => name in fieldsOf(route));
}

/** The route's request with everything of `world`; `by` names the field that says which project or organization. */
async function ask(route: Route, world: World, by: string | undefined, parent: World = world) {
  const at = (name: string) => rightValue(IDS.includes(name) && route.params.length > 1 ? parent : world, name);
  const only = (names: readonly string[] = []) =>
    Object.fromEntries(names.filter((name) => !IDS.includes(name) || name === by).map((name) => [name, at(name)]));
  const more = by === undefined ? [] : [by];
  const required = (schema: Route['query'] | undefined) => [
    ...(schema?.required ?? []),
    ...more.filter((name) => name in (schema?.properties ?? {})),
    // One of two ways to write a rule.
    ...('privilegePermission' in (schema?.properties ?? {}) ? ['permissions'] : []),
  ];
  const params = Object.fromEntries(route.params.map((name) => [name, encodeURIComponent(String(at(name)))]));
  const query = new URLSearchParams(only(required(route.query)) as Record<string, string>).toString();
  const body = route.body === undefined ? {} : { body: only(required(route.body)) };
  return server.send(route.method, urlOf(route, params, query), { token: stranger, ...body });
}

const nowhere = (): World => ({
  ...(Object.fromEntries(Object.keys(theirs).map((name) => [name, randomUUID()])) as unknown as World),
  slug: 'nowhere',
  roleSlug: 'no-role',
  privilegeSlug: 'no-privilege',
  username: 'nobody@hanzo.ai',
});

/** A message without the names that the caller itself sent. */
const without = (world: World, text: string) =>
  // Longer names first: a role's slug holds the project's.
  Object.values(world)
    .sort((one, other) => other.length - one.length)
    .reduce((rest, name) => rest.replaceAll(name, '…'), text.replace(/"reqId":"[^"]+"/, ''));

test('what another organization has is not told apart from nothing', async () => {
  const state = await everything();
  for (const route of routes) {
    // Beside a project's slug, an organization only narrows.
    const names = 'projectSlug' in fieldsOf(route) ? PROJECTS : IDS;
    const ways = names.filter((name) => name in fieldsOf(route));
    for (const by of ways.length > 0 ? ways : [undefined]) {
      const none = nowhere();
      const [there, missing] = [await ask(route, theirs, by), await ask(route, none, by)];
      expect({ route: route.name, by, status: there.status }).toEqual({ route: route.name, by, status: 404 });
      expectDocumented(there, 404);
      expect(without(theirs, there.text), route.name).toBe(without(none, missing.text));
      expect(there.text).not.toContain(HIDDEN);
    }
  }
  expect(await everything()).toEqual(state);
});

test("children of another organization are not found under one's own", async () => {
  const state = await everything();
  // An environment and a path are places in one's own project, wherever else there are such.
  const children = (params: readonly string[]) => params.filter((name) => !['environment', 'path'].includes(name));
  for (const route of routes.filter(({ params }) => children(params).length > 1)) {
    const answer = await ask(route, theirs, undefined, ours);
    expect({ route: route.name, status: answer.status }).toEqual({ route: route.name, status: 404 });
  }
  expect(await everything()).toEqual(state);
});

/** The rows of all tables that a stranger's request could have changed. */
async function everything(): Promise<unknown> {
  const tables = ['organizations', 'projects', 'environments', 'folders', 'secrets', 'identities', 'universal_auths'];
  const more = ['client_secrets', 'organization_memberships', 'project_memberships', 'project_membership_roles'];
  more.push('project_roles', 'groups', 'group_members');
  const rows = [...tables, ...more].map((table) => `select '${table}' as name, to_jsonb(t) as row from ${table} t`);
  return (await server.sql.query(`${rows.join(' union all ')} order by 1, 2`)).rows;
}
