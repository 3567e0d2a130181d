import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let sql: pg.Client;
let project: { id: string };
let other: { id: string };
let machine: { id: string };
let round = 0;

beforeAll(async () => {
  server = await startServer();
  sql = server.sql;
  machine = await server.machine('member');
});
afterAll(() => server.close());

/** Two alike, so that what moves one is seen to leave the other. */
beforeEach(async () => {
  round++;
  [project, other] = await Promise.all([filled(`one-${round}`), filled(`other-${round}`)]);
});

async function filled(slug: string): Promise<{ id: string }> {
  const made = await server.project(slug);
  await server.setSecrets(made.id, 'prod', { KEY: 'value' });
  await server.do('POST', '/api/v2/folders', { body: { projectId: made.id, environment: 'prod', name: 'db' } });
  await server.do('POST', `/api/v2/workspace/${made.id}/identity-memberships/${machine.id}`, {
    body: { roles: [{ role: 'viewer' }] },
  });
  return made;
}

async function changeId(of: { id: string }): Promise<string> {
  const { rows } = await sql.query('select change_id from projects where id = $1', [of.id]);
  return rows[0].change_id;
}

test.each<{ name: string; text: string }>([
  {
    name: 'a new environment',
    text: `insert into environments (project_id, slug, name, position) values ($1, 'qa', 'QA', 9)`,
  },
  { name: 'a changed environment', text: `update environments set slug = 'qa' where project_id = $1 and slug = 'dev'` },
  { name: 'a deleted environment', text: `delete from environments where project_id = $1 and slug = 'dev'` },
  {
    name: 'a new folder',
    text: `insert into folders (project_id, environment_id, name, path)
           select project_id, id, 'new', '/new' from environments where project_id = $1 and slug = 'dev'`,
  },
  {
    name: 'a changed folder',
    text: `update folders set name = 'x', path = '/x' where project_id = $1 and name = 'db'`,
  },
  { name: 'a deleted folder', text: `delete from folders where project_id = $1 and name = 'db'` },
  {
    name: 'a new secret',
    text: `insert into secrets (project_id, environment_id, folder_id, key, version, key_version, sealed_value)
           select project_id, environment_id, folder_id, 'NEW', 1, key_version, sealed_value from secrets where project_id = $1`,
  },
  { name: 'a changed secret', text: `update secrets set version = version + 1 where project_id = $1` },
  { name: 'a deleted secret', text: `delete from secrets where project_id = $1` },
  {
    name: 'a new membership',
    text: `insert into project_memberships (project_id, actor_id)
           select $1, id from actors where id not in (select actor_id from project_memberships where project_id = $1) limit 1`,
  },
  { name: 'a changed membership', text: `update project_memberships set updated_at = now() where project_id = $1` },
  { name: 'a deleted membership', text: `delete from project_memberships where project_id = $1` },
  {
    name: 'a new role',
    text: `insert into project_membership_roles (membership_id, role)
           select id, 'ci' from project_memberships where project_id = $1`,
  },
  {
    name: 'a changed role',
    text: `update project_membership_roles set environments = '{dev}'
            where membership_id in (select id from project_memberships where project_id = $1)`,
  },
  {
    name: 'a deleted role',
    text: `delete from project_membership_roles
            where membership_id in (select id from project_memberships where project_id = $1)`,
  },
])('$name replaces the change id of its project alone', async ({ text }) => {
  const [before, untouched] = [await changeId(project), await changeId(other)];
  const { rowCount } = await sql.query(text, [project.id]);
  expect(rowCount).toBeGreaterThan(0);
  expect(await changeId(project)).not.toBe(before);
  expect(await changeId(other)).toBe(untouched);
});

test('a write that is rolled back keeps the change id', async () => {
  const before = await changeId(project);
  await sql.query('begin');
  await sql.query('delete from secrets where project_id = $1', [project.id]);
  expect(await changeId(project)).not.toBe(before);
  await sql.query('rollback');
  expect(await changeId(project)).toBe(before);
});

test('one statement over many projects replaces each id', async () => {
  const before = [await changeId(project), await changeId(other)];
  await sql.query('update secrets set version = version where project_id = any ($1)', [[project.id, other.id]]);
  const after = [await changeId(project), await changeId(other)];
  expect(new Set([...before, ...after]).size).toBe(4);
});

test('change ids are random and never come again', async () => {
  const ids = new Set<string>();
  for (let n = 0; n < 50; n++) {
    await sql.query('update secrets set version = version where project_id = $1', [project.id]);
    ids.add(await changeId(project));
  }
  expect(ids.size).toBe(50);
  // Version 4 of RFC 9562: nothing in it counts, and its order tells nothing.
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const inOrder = [...ids];
  expect(inOrder).not.toEqual([...inOrder].sort());
  expect(inOrder).not.toEqual([...inOrder].sort().reverse());
});
