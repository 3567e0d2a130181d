import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { Job, programAt, type Step } from './job.ts';
import { blocksOf, startWorld, type World } from './world.ts';

/** HIP-27's GitHub Actions job, from docs/ci.md, and what the page says that it cannot do. */

const [yaml] = await blocksOf("HIP-27's job, as it stands");
const { steps } = parse(yaml!).jobs.deploy as { steps: Step[] };
const hasTools = programAt('curl') !== undefined && programAt('jq') !== undefined;

let world: World;
beforeAll(async () => {
  world = await startWorld();
  await world.live.server.project('my-service').then(async ({ id }) => {
    const base = `/api/v2/workspace/${id}/identity-memberships/${world.machine.id}`;
    await world.live.server.do('POST', base, { body: { roles: [{ role: 'viewer' }] } });
    await world.live.server.setSecrets(id, 'prod', { DOCKERHUB_USERNAME: 'hanzo', DOCKERHUB_TOKEN: '' });
  });
});
afterAll(() => world.close());

/** The job, with the token's value in KMS. */
async function run(token: string, clientSecret = world.machine.clientSecret) {
  await world.live.server.do('PATCH', '/api/v3/secrets/raw/DOCKERHUB_TOKEN', {
    body: { workspaceSlug: 'my-service', environment: 'prod', secretValue: token },
  });
  const job = await Job.start({
    secrets: { KMS_CLIENT_ID: world.machine.clientId, KMS_CLIENT_SECRET: clientSecret },
    instead: { 'https://kms.hanzo.ai': world.live.url },
  });
  const code = await job.run(steps).catch((error: Error) => error.message);
  const seen = { code, job, variables: Object.fromEntries(job.variables), calls: await job.calls() };
  await job.end();
  return seen;
}

test('the page has the job as HIP-27 has it', async () => {
  const hip = await readFile(new URL('fixtures/hip-27-github-actions.yaml', import.meta.url), 'utf8');
  expect(yaml).toBe(hip);
});

test.skipIf(!hasTools)('it puts both secrets into the environment and masks the token', async () => {
  const { code, job, variables } = await run('dckr_pat_1');
  expect([code, variables]).toEqual([0, { DOCKERHUB_USERNAME: 'hanzo', DOCKERHUB_TOKEN: 'dckr_pat_1' }]);
  expect(job.masks).toContain('dckr_pat_1');
  expect(job.masks).toContain(job.outputs.get('kms-auth')!.get('token'));
});

test.skipIf(!hasTools).each([
  { what: 'a line end', token: 'a\nINJECTED=1', variables: { DOCKERHUB_TOKEN: 'a', INJECTED: '1' } },
  { what: 'several spaces', token: 'a   b', variables: { DOCKERHUB_TOKEN: 'a b' } },
])('it changes a value with $what, as the page says', async ({ token, variables }) => {
  expect((await run(token)).variables).toMatchObject(variables);
});

test.skipIf(!hasTools)('a star in a value becomes the names of files', async () => {
  expect((await run('a * b')).variables.DOCKERHUB_TOKEN).toMatch(/^a .*\bcurl\b.* b$/);
});

test.skipIf(!hasTools)('the second line of a value is in the log, and the other secret is no mask', async () => {
  const { job } = await run('a\nSECOND=line');
  expect([job.log.trim(), job.masks.has('hanzo')]).toEqual(['SECOND=line', false]);
});

test.skipIf(!hasTools)('a line end can fail it', async () => {
  expect((await run('a\nb')).code).toMatch(/Invalid format/);
});

test.skipIf(!hasTools)('with a wrong secret it goes on without values', async () => {
  const { code, variables } = await run('t', 'wrong');
  expect([code, variables]).toEqual([0, { DOCKERHUB_USERNAME: '', DOCKERHUB_TOKEN: '' }]);
});

test.skipIf(!hasTools)('the secret and a living token are arguments of programs', async () => {
  const { job, calls } = await run('t');
  const token = job.outputs.get('kms-auth')!.get('token')!;
  expect([calls.includes(world.machine.clientSecret), calls.includes(token)]).toEqual([true, true]);
  const answer = await world.live.server.send('GET', `/api/v1/identities/${world.machine.id}`, { token });
  expect(answer.status).toBe(200);
});
