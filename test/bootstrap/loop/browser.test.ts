import { request } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { type Listening, listenForCode } from '../../../bootstrap/logins/browser.ts';

let listening: Listening | undefined;
afterEach(() => listening?.close());

interface Seen {
  readonly status: number;
  readonly location: string | undefined;
  readonly cookie: string;
}

/** A request as any program on this machine can make it. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(listening!.address);
    request({ hostname, port, path, headers, method }, (answer) => {
      answer.resume();
      const cookie = String(answer.headers['set-cookie'] ?? '').split(';')[0]!;
      resolve({ status: answer.statusCode ?? 0, location: answer.headers.location, cookie });
    })
      .on('error', reject)
      .end();
  });
}

async function begun() {
  listening = await listenForCode('https://kms.test');
  const { location, cookie } = await ask('/');
  const { searchParams } = new URL(location!);
  return { state: searchParams.get('state')!, challenge: searchParams.get('challenge')!, cookie };
}
const unsettled = () => Promise.race([listening!.brought, Promise.resolve('waiting')]);

test('the browser that begins is sent to KMS, and its code is taken', async () => {
  const { state, challenge, cookie } = await begun();
  expect(challenge).toMatch(/^[\w-]{43}$/);
  const done = await ask(`/done?code=abc&state=${state}`, { cookie });
  expect([done.status, done.location]).toEqual([303, '/ended']);
  expect(await listening!.brought).toEqual({ code: 'abc', verifier: expect.stringMatching(/^[\w-]{43}$/) });
});

test('the address that a process is started with holds nothing to use', async () => {
  const { state, challenge } = await begun();
  for (const secret of [state, challenge]) expect(listening!.address).not.toContain(secret);
  expect(new URL(listening!.address).search).toBe('');
});

test.each<{ name: string; path: (state: string) => string; headers: (cookie: string) => Record<string, string> }>([
  {
    name: 'without the cookie of the browser that began',
    path: (state) => `/done?code=a&state=${state}`,
    headers: () => ({}),
  },
  {
    name: 'with another cookie',
    path: (state) => `/done?code=a&state=${state}`,
    headers: (cookie) => ({ cookie: `${cookie}x` }),
  },
  { name: 'with another state', path: () => '/done?code=a&state=guessed', headers: (cookie) => ({ cookie }) },
  { name: 'without a state', path: () => '/done?code=a', headers: (cookie) => ({ cookie }) },
  { name: 'without a code', path: (state) => `/done?state=${state}`, headers: (cookie) => ({ cookie }) },
  {
    name: 'to a name that was made to lead here',
    path: (state) => `/done?code=a&state=${state}`,
    headers: (cookie) => ({ cookie, host: 'evil.test' }),
  },
])('an answer $name is not taken, and the right one still is', async ({ path, headers }) => {
  const { state, cookie } = await begun();
  expect((await ask(path(state), headers(cookie))).status).toBe(403);
  expect(await unsettled()).toBe('waiting');
  await ask(`/done?code=right&state=${state}`, { cookie });
  expect(await listening!.brought).toMatchObject({ code: 'right' });
});

test('an answer before any browser began is not taken', async () => {
  listening = await listenForCode('https://kms.test');
  expect((await ask('/done?code=a&state=b')).status).toBe(403);
  expect(await unsettled()).toBe('waiting');
});

test('a program that comes before the browser is noticed, and nobody is logged in', async () => {
  listening = await listenForCode('https://kms.test');
  const refused = expect(listening.brought).rejects.toThrow(/another program on this machine/);
  await ask('/');
  expect((await ask('/')).status).toBe(403);
  await refused;
});

test('the same browser may begin twice', async () => {
  const { cookie, state } = await begun();
  const again = await ask('/', { cookie });
  expect([again.status, new URL(again.location!).searchParams.get('state')]).toEqual([302, state]);
});

test('nobody is waited for without end', async () => {
  listening = await listenForCode('https://kms.test', 20);
  await expect(listening.brought).rejects.toThrow(/nobody logged in/);
});

test.each(['//', '//evil.test/done', '*', 'http://[/', '/done?code=%&state=%00'])(
  'an address as %s ends no login',
  async (path) => {
    const { state, cookie } = await begun();
    expect((await ask(path, { cookie })).status).toBeGreaterThanOrEqual(400);
    await ask(`/done?code=right&state=${state}`, { cookie });
    expect(await listening!.brought).toMatchObject({ code: 'right' });
  },
);

test.each(['image', 'iframe', 'empty', 'script'])('a page elsewhere begins no login by its %s', async (dest) => {
  listening = await listenForCode('https://kms.test');
  expect(await ask('/', { 'sec-fetch-dest': dest, 'sec-fetch-site': 'cross-site' })).toMatchObject({
    status: 403,
    cookie: '',
  });
  expect((await ask('/', { 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' })).status).toBe(302);
  expect(await unsettled()).toBe('waiting');
});
