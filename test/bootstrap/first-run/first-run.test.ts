import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeOver } from '../../../bootstrap/first-run/first-run.ts';
import { firstCallFile, readFirstCall } from '../../../bootstrap/first-run/state.ts';
import { parseAuthSecret } from '../../../keys/index.ts';
import { Kms } from '../../../sdk/index.ts';
import { everything } from '../../support/thorough.ts';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';

const who = { email: 'z@hanzo.ai', organization: 'Hanzo AI', organizationSlug: 'hanzo' };
const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

let live: LiveServer;
let state: string;
beforeEach(async () => {
  const started = await startLiveServer();
  const folder = await mkdtemp(join(tmpdir(), 'kms-first-'));
  live = started;
  state = folder;
  opened.push(
    () => started.close(),
    () => rm(folder, { recursive: true }),
  );
});

const options = (fetch = live.fetch) => ({
  connection: { url: live.url, fetch, retries: 0 },
  state,
  authSecret: live.authSecret,
});
const count = async (table: string) =>
  Number((await live.server.sql.query(`select count(*) from ${table}`)).rows[0].count);

test('the first credential is on the disk before the server hears of it', async () => {
  const seen: unknown[] = [];
  const watching: typeof fetch = async (input, init) => {
    if (String(input).endsWith('/bootstrap')) {
      seen.push(
        (await stat(firstCallFile(state))).mode & 0o777,
        JSON.parse(await readFile(firstCallFile(state), 'utf8')).credential,
      );
      expect(JSON.parse(String(init?.body)).credential).toBe(seen[1]);
    }
    return fetch(input, init);
  };
  await takeOver(options(watching), who);
  expect(seen).toEqual([0o600, expect.stringMatching(/^st\.[A-Za-z0-9_-]{43}$/)]);
});

test('after the first run the first credential opens nothing', async () => {
  const run = await takeOver(options(), who);
  const { credential } = (await readFirstCall(state))!;
  await run.finish();
  expect(await readdir(state)).toEqual([]);
  const { rows } = await live.server.sql.query<{ client_id: string }>('select client_id from universal_auths');
  const left = new Kms({ url: live.url, credentials: { clientId: rows[0]!.client_id, clientSecret: credential } });
  await expect(left.organizations.list()).rejects.toMatchObject({ status: 401 });
  await expect(run.kms.organizations.list(), 'nor do the tokens that came of it').rejects.toMatchObject({
    status: 401,
  });
});

describe('a first run that is cut at any request, before or after it arrives,', () => {
  const cutAt = (request: number, arrives: boolean): typeof fetch => {
    let sent = 0;
    return async (input, init) => {
      const cut = sent++ === request;
      if (cut && !arrives) throw new TypeError('killed before it was sent');
      const answer = await fetch(input, init);
      if (cut) throw new TypeError('killed before the answer');
      return answer;
    };
  };

  const cuts = (everything ? [0, 1, 2, 3, 4, 5] : [0, 3]).flatMap((request) =>
    [false, true].map((arrives) => ({ request, arrives })),
  );
  test.each(cuts)('is finished by the next run (request $request, arrived $arrives)', async ({ request, arrives }) => {
    await takeOver(options(cutAt(request, arrives)), who)
      .then((run) => run.finish())
      .catch(() => {});
    const stored = await readFirstCall(state);
    const next =
      stored || !(await new Kms({ url: live.url }).admin.initialized()) ? await takeOver(options(), who) : undefined;
    await next?.finish();
    expect(await readdir(state)).toEqual([]);
    expect([await count('users'), await count('organizations'), await count('identities')]).toEqual([1, 1, 1]);
    expect(await count('client_secrets where revoked_at is null')).toBe(0);
    const admin = await live.admin();
    expect(await admin.organizations.list()).toMatchObject([{ slug: 'hanzo', name: 'Hanzo AI' }]);
  });
});

test('a first credential that has ended gives way to proof of kms-secrets', async () => {
  await takeOver(options(), who);
  await live.server.sql.query(`update client_secrets set expires_at = now() - interval '1 second'`);
  await live.server.sql.query('delete from access_tokens');
  const run = await takeOver(options(), who);
  expect(await run.kms.organizations.list()).toHaveLength(1);
  await run.finish();
  expect(await readdir(state)).toEqual([]);
});

test('an instance of somebody else is not taken over', async () => {
  await takeOver(options(), who);
  const other = await mkdtemp(join(tmpdir(), 'kms-first-'));
  opened.push(() => rm(other, { recursive: true }));
  await expect(takeOver({ ...options(), state: other }, who)).rejects.toThrow('set up by somebody else');
});

test('without the right kms-secrets a fresh instance stays closed', async () => {
  const authSecret = parseAuthSecret('another-secret-of-32-bytes-or-more-0123');
  await expect(takeOver({ ...options(), authSecret }, who)).rejects.toMatchObject({ status: 403 });
  expect(await count('users')).toBe(0);
});

test('an unfinished first run is not sent to another server', async () => {
  await takeOver(options(), who);
  const elsewhere = { ...options(), connection: { url: 'http://127.0.0.1:9' } };
  await expect(takeOver(elsewhere, who)).rejects.toThrow(`is for ${live.url}, not for http://127.0.0.1:9`);
});

test.each([{ email: 'new@hanzo.ai' }, { organizationSlug: 'zoo' }])(
  'an unfinished first run makes no other admin than the one that was shown (%j)',
  async (change) => {
    const lost: typeof fetch = async () => {
      throw new TypeError('killed before it was sent');
    };
    await expect(takeOver(options(lost), who)).rejects.toThrow('killed');
    await expect(takeOver(options(), { ...who, ...change })).rejects.toThrow(
      'makes z@hanzo.ai of hanzo the first admin',
    );
    expect(await count('users')).toBe(0);
  },
);
