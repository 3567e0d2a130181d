import { readdir, readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Kms, Unauthorized } from '../../sdk/index.ts';
import { type LiveServer, startLiveServer } from '../bootstrap/support/live-server.ts';
import { canary } from '../support/canary.ts';

let live: LiveServer;
let admin: Kms;
let projectId: string;
const at = () => ({ projectId, environment: 'prod' });

beforeAll(async () => {
  live = await startLiveServer();
  await live.server.bootstrap();
  admin = new Kms({ url: live.url, credentials: { token: live.server.admin } });
  const [organization] = await admin.organizations.list();
  const project = await admin.projects.create({ projectName: 'Zen', slug: 'zen', organizationId: organization!.id });
  projectId = project.id;
  await admin.secrets.createMany([{ secretKey: 'A', secretValue: canary }], at());
});
afterAll(() => live.close());

async function service(times: { ttl?: number; maxTtl?: number } = {}) {
  const { id } = await admin.identities.create({
    name: 'zen-service',
    organizationId: await organizationId(),
    role: 'no-access',
  });
  const { clientId } = await admin.identities.attachUniversalAuth(id);
  if (times.ttl) {
    const sql = 'update universal_auths set access_token_ttl = $2, access_token_max_ttl = $3 where identity_id = $1';
    await live.server.sql.query(sql, [id, times.ttl, times.maxTtl]);
  }
  await admin.identities.addToProject(projectId, id, [{ role: 'viewer', environments: ['prod'] }]);
  const { clientSecret } = await admin.identities.createClientSecret(id);
  return { id, kms: new Kms({ url: live.url, fetch: live.fetch, credentials: { clientId, clientSecret } }) };
}
const organizationId = async () => (await admin.organizations.list())[0]!.id;
const sentTo = (end: string) => live.sent.filter(({ path }) => path.endsWith(end)).length;

describe('Universal Auth', () => {
  test('many requests at once share one login', async () => {
    const { kms } = await service();
    live.sent.length = 0;
    await Promise.all(Array.from({ length: 10 }, () => kms.secrets.list(at())));
    expect(sentTo('/login')).toBe(1);
  });

  test('a token is renewed before it ends, and replaced when it cannot be', async () => {
    const { kms } = await service({ ttl: 100, maxTtl: 300 });
    live.sent.length = 0;
    const clock = vi.spyOn(performance, 'now');
    const pass = (seconds: number) => clock.mockReturnValue(start + seconds * 1000);
    const start = performance.now();
    try {
      pass(0);
      await kms.secrets.list(at());
      pass(70);
      await kms.secrets.list(at());
      expect([sentTo('/login'), sentTo('/renew')]).toEqual([1, 0]);
      pass(90);
      await kms.secrets.list(at());
      expect([sentTo('/login'), sentTo('/renew')], 'renewed').toEqual([1, 1]);
      pass(290);
      await kms.secrets.list(at());
      expect([sentTo('/login'), sentTo('/renew')], 'past its longest life').toEqual([2, 1]);
    } finally {
      clock.mockRestore();
    }
  });

  test('a token that the server no longer knows is replaced once', async () => {
    const { id, kms } = await service();
    await kms.secrets.list(at());
    await live.server.sql.query('update access_tokens set revoked_at = now() where actor_id = $1', [id]);
    live.sent.length = 0;
    expect(await kms.secrets.list(at())).toHaveLength(1);
    expect(sentTo('/login')).toBe(1);
  });

  test('a revoked client secret ends it, without a storm of logins', async () => {
    const { id, kms } = await service();
    await kms.secrets.list(at());
    const [secret] = await admin.identities.clientSecrets(id);
    await admin.identities.revokeClientSecret(id, secret!.id);
    live.sent.length = 0;
    await expect(kms.secrets.list(at())).rejects.toBeInstanceOf(Unauthorized);
    expect(sentTo('/login')).toBe(1);
  });

  test('one caller who gives up does not fail the others', async () => {
    const { kms } = await service();
    const gone = kms.secrets.list(at(), { signal: AbortSignal.abort() });
    const stays = kms.secrets.list(at());
    await expect(gone).rejects.toMatchObject({ name: 'AbortError' });
    expect(await stays).toHaveLength(1);
  });
});

describe('secrets', () => {
  test('an unchanged folder costs a 304, a changed one is read anew', async () => {
    const statuses: number[] = [];
    const watching: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      statuses.push(answer.status);
      return answer;
    };
    const kms = new Kms({ url: live.url, fetch: watching, credentials: { token: live.server.admin } });
    const first = await kms.secrets.list(at());
    first[0]!.secretValue = 'spoiled by its reader';
    expect((await kms.secrets.list(at()))[0]?.secretValue).toBe(canary);
    await kms.secrets.update({ secretKey: 'A', secretValue: `${canary}-2` }, at());
    expect((await kms.secrets.list(at()))[0]?.secretValue).toBe(`${canary}-2`);
    expect(statuses).toEqual([200, 304, 200, 200]);
  });

  test('are made, read, changed and deleted, one and many', async () => {
    const here = { projectSlug: 'zen', environment: 'dev' };
    await admin.secrets.create({ secretKey: 'ONE', secretValue: ' padded \n', secretComment: 'why' }, here);
    await admin.secrets.createMany([{ secretKey: 'TWO', secretValue: '2' }], here);
    await admin.secrets.updateMany(
      [
        { secretKey: 'TWO', secretValue: 'two' },
        { secretKey: 'NEW', secretValue: 'n' },
      ],
      here,
      'upsert',
    );
    expect(await admin.secrets.get('ONE', here)).toMatchObject({
      secretValue: ' padded \n',
      secretComment: 'why',
      version: 1,
    });
    expect(await admin.secrets.get('TWO', here, { version: 1 })).toMatchObject({ secretValue: '2' });
    expect(await admin.secrets.get('TWO', here, { values: false })).toMatchObject({ secretValueHidden: true });
    await admin.secrets.delete('ONE', here);
    await admin.secrets.deleteMany(['TWO', 'NEW'], here);
    expect(await admin.secrets.list(here)).toEqual([]);
  });
});

test('the core imports nothing of Node, so that browsers can load it', async () => {
  const folder = new URL('../../sdk/', import.meta.url);
  for (const file of await readdir(folder)) {
    const text = await readFile(new URL(file, folder), 'utf8');
    expect(text, file).not.toMatch(/from 'node:|process\.|Buffer\b/);
  }
});
