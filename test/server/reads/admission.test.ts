// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are among the values
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { revocations } from '../path/revocations.ts';
import { auditOf, folder, importInto, read, share } from './world.ts';

/** What happens between the moment when an answer of several places is composed, and the one when it is sent. */

let server: TestServer;
let inThePause: (() => Promise<unknown>) | undefined;
let paused = 0;
let source: { id: string };
let project: { id: string; slug: string };
let machine: Machine;
let shareId: string;
let count = 0;

beforeAll(async () => {
  server = await startServer({
    beforeAdmission: async () => {
      paused++;
      const work = inThePause;
      inThePause = undefined;
      await work?.();
    },
  });
});
afterAll(() => server.close());

beforeEach(async () => {
  source = await server.project(`source-${++count}`);
  project = await server.project(count === 1 ? 'gateway' : `gateway-${count}`);
  await folder(server, { projectId: source.id, environment: 'prod', path: '/db' });
  await server.setSecrets(source.id, 'prod', { PASSWORD: 'value-of-source' }, '/db');
  await server.setSecrets(project.id, 'prod', { URL: 'pg:${KEY}', KEY: 'value-of-key' });
  shareId = await share(server, { projectId: source.id, environment: 'prod', path: '/db' }, project.id);
  await importInto(server, at(), { projectId: source.id, environment: 'prod', path: '/db' });
  machine = await server.machine(`service-${count}`, {
    projectId: project.id,
    roles: [{ role: 'viewer', environments: ['prod'] }],
  });
  paused = 0;
});

const at = () => ({ projectId: project.id, environment: 'prod' });
const list = () => read(server, machine.token, at());

test.each(revocations)('$name while an answer is composed shows nothing of it', async ({ apply, status }) => {
  inThePause = () => apply(server, machine, project.id);
  const answer = (await list()) as { status?: number };
  expect([answer.status, paused]).toEqual([status, 1]);
  expect(JSON.stringify(answer)).not.toContain('value-of');
  expect(await auditOf(server, machine.id)).toEqual([]);
});

test.each<{ name: string; work: () => Promise<unknown>; next: object }>([
  {
    name: 'a withdrawn share',
    work: () => server.do('DELETE', `/api/v1/projects/${source.id}/folder-shares/${shareId}`),
    next: { own: ['KEY=value-of-key', 'URL=pg:value-of-key'], imports: [] },
  },
  {
    name: 'a changed value of the source',
    work: () =>
      server.do('PATCH', '/api/v4/secrets/PASSWORD', {
        body: { projectId: source.id, environment: 'prod', secretPath: '/db', secretValue: 'next' },
      }),
    next: { imports: [['prod:/db', 'PASSWORD=next']] },
  },
  {
    name: 'a changed target of a reference',
    work: () => server.do('PATCH', '/api/v4/secrets/KEY', { body: { ...at(), secretValue: 'next' } }),
    next: { own: ['KEY=next', 'URL=pg:next'] },
  },
])('$name while an answer is composed is in it', async ({ work, next }) => {
  inThePause = work;
  expect(await list()).toMatchObject(next);
  expect(paused).toBe(2);
});
