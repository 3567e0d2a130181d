import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { refusalOf } from '../../sdk/errors.ts';
import {
  Kms,
  KmsRefusal,
  KmsTimeout,
  KmsUnreachable,
  NotFound,
  RateLimited,
  Unavailable,
  UnexpectedAnswer,
  ValidationFailed,
} from '../../sdk/index.ts';
import { parseRetryAfter } from '../../sdk/retry.ts';

/** A peer that misbehaves on purpose, as no real server does when a test wants it to. */
type Peer = (request: IncomingMessage, response: ServerResponse, body: string) => void;
const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

async function peer(...answers: Peer[]): Promise<{
  url: string;
  seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[];
}> {
  const seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      (answers[seen.length - 1] ?? answers.at(-1))?.(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Peer =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
const refusal = (status: number, headers: Record<string, string> = {}) =>
  json(status, { reqId: 'req-7', statusCode: status, message: 'because', error: 'Kind' }, headers);
const broken: Peer = (request) => void request.socket.destroy();
const silent: Peer = () => {};
const organizations = json(200, { organizations: [] });
const made = json(200, {
  organization: {
    id: '4b5f1f6c-3b3a-4c55-9f43-0d5f2a4a9d10',
    name: 'a',
    slug: 'a',
    authEnforced: false,
    enforceMfa: false,
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
  },
});
const client = (url: string, more = {}) =>
  new Kms({ url, credentials: { token: 'a-token' }, firstPauseMs: 1, ...more });

describe('a read is tried again', () => {
  test.each([
    ['after a 503', refusal(503)],
    ['after a 429', refusal(429)],
    ['after a 500', refusal(500)],
    [
      'after a 502 of a proxy in its own words',
      ((_, response) => response.writeHead(502).end('<html>')) satisfies Peer,
    ],
    ['after a broken connection', broken],
    [
      'after a proxy answered 503 in its own words',
      ((_, response) => response.writeHead(503).end('<html>')) satisfies Peer,
    ],
  ])('%s', async (_name, failing) => {
    const { url, seen } = await peer(failing, failing, organizations);
    expect(await client(url).organizations.list()).toEqual([]);
    expect(seen).toHaveLength(3);
  });

  test('until its tries are used up', async () => {
    const { url, seen } = await peer(refusal(503));
    await expect(client(url, { retries: 2 }).organizations.list()).rejects.toBeInstanceOf(Unavailable);
    expect(seen).toHaveLength(3);
  });

  test('not before retry-after is over', async () => {
    const { url } = await peer(refusal(429, { 'retry-after': '1' }), organizations);
    const start = performance.now();
    await client(url).organizations.list();
    expect(performance.now() - start).toBeGreaterThanOrEqual(990);
  });

  test('never when the server asks to wait for long', async () => {
    const { url, seen } = await peer(refusal(429, { 'retry-after': '3600' }));
    await expect(client(url).organizations.list()).rejects.toMatchObject({
      constructor: RateLimited,
      retryAfterMs: 3_600_000,
    });
    expect(seen).toHaveLength(1);
  });

  test('never once its caller has given up', async () => {
    const { url } = await peer(refusal(503, { 'retry-after': '30' }));
    const signal = AbortSignal.timeout(50);
    const at = { projectSlug: 'a', environment: 'dev' };
    await expect(client(url).secrets.list(at, { signal })).rejects.toMatchObject({ name: 'TimeoutError' });
  });
});

describe('a write', () => {
  test.each([
    ['a 503', refusal(503), Unavailable],
    ['a 504', refusal(504), KmsRefusal],
    ['a broken connection', broken, KmsUnreachable],
    ['silence', silent, KmsTimeout],
  ])('is not repeated after %s, since it may have been done', async (_name, failing, error) => {
    const { url, seen } = await peer(failing, made);
    await expect(client(url, { timeoutMs: 100 }).organizations.create({ name: 'a', slug: 'a' })).rejects.toBeInstanceOf(
      error,
    );
    expect(seen).toHaveLength(1);
  });

  test('is repeated after a 429, which did nothing', async () => {
    const { url, seen } = await peer(refusal(429), made);
    expect(await client(url).organizations.create({ name: 'a', slug: 'a' })).toMatchObject({ slug: 'a' });
    expect(seen.map(({ body }) => body)).toEqual(Array(2).fill('{"name":"a","slug":"a"}'));
  });
});

describe('errors', () => {
  test('carry status, kind, message and request id', async () => {
    const { url } = await peer(refusal(404));
    const error = await client(url)
      .organizations.list()
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(NotFound);
    expect(error).toMatchObject({ status: 404, error: 'Kind', message: 'because', reqId: 'req-7' });
  });

  test('list the failed checks of a 422', () => {
    const issues = [{ code: 'custom', path: ['slug'], message: 'too long' }];
    const error = refusalOf(
      422,
      JSON.stringify({ reqId: 'r', statusCode: 422, message: issues, error: 'ValidationFailure' }),
    );
    expect(error).toBeInstanceOf(ValidationFailed);
    expect(error).toMatchObject({ message: 'slug: too long', issues });
  });

  test.each([
    ['a page in place of JSON', ((_, response) => response.writeHead(200).end('<html>')) satisfies Peer, 'is not JSON'],
    ['JSON of another program', json(200, { hello: 'world' }), 'not what it should be (organizations:'],
    [
      'a 404 of another program',
      ((_, response) => response.writeHead(404).end('nope')) satisfies Peer,
      'HTTP 404 without the body',
    ],
  ])('say when the answer is %s', async (_name, answer, says) => {
    const { url } = await peer(answer);
    const error = await client(url)
      .organizations.list()
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UnexpectedAnswer);
    expect(error.message).toContain(says);
  });

  test('say that nothing listens', async () => {
    const { url } = await peer(organizations);
    for (const close of opened.splice(0)) close();
    await expect(client(url, { retries: 0 }).organizations.list()).rejects.toThrow(
      'nothing listens there (ECONNREFUSED)',
    );
  });

  test('never carry the token', async () => {
    const { url } = await peer(refusal(401));
    const error = await client(url)
      .organizations.list()
      .catch((thrown) => thrown);
    expect(JSON.stringify(error) + error.stack).not.toContain('a-token');
  });
});

describe('a token that is refused', () => {
  const asked = (seen: { headers: IncomingMessage['headers'] }[]) => seen.map(({ headers }) => headers.authorization);

  test('is replaced once where another can be had, by all who were refused', async () => {
    const { url, seen } = await peer(refusal(401), refusal(401), organizations);
    let renewals = 0;
    const bothRefused = Promise.withResolvers<void>();
    const renew = async () => {
      renewals++;
      await bothRefused.promise;
      return `new-${renewals}`;
    };
    const { organizations: list } = client(url, { credentials: { token: 'old', renew } });
    const both = Promise.all([list.list(), list.list()]);
    setTimeout(bothRefused.resolve, 100);
    expect(await both).toEqual([[], []]);
    expect(asked(seen).toSorted()).toEqual(['Bearer new-1', 'Bearer new-1', 'Bearer old', 'Bearer old']);
  });

  test('is passed on where the next is refused too, or none can be had', async () => {
    const { url, seen } = await peer(refusal(401));
    const again = client(url, { credentials: { token: 'old', renew: async () => 'new' } });
    await expect(again.organizations.list()).rejects.toMatchObject({ status: 401 });
    expect(asked(seen)).toEqual(['Bearer old', 'Bearer new']);
    const ended = client(url, {
      credentials: { token: 'old', renew: () => Promise.reject(new Error('it has ended')) },
    });
    await expect(ended.organizations.list()).rejects.toThrow('it has ended');
  });
});

test('a redirect is not followed, the token would go with it', async () => {
  const { url: elsewhere, seen } = await peer(organizations);
  const { url } = await peer((_, response) => response.writeHead(302, { location: elsewhere }).end());
  await expect(client(url, { retries: 0 }).organizations.list()).rejects.toBeInstanceOf(KmsUnreachable);
  expect(seen).toEqual([]);
});

test('a path in the address is a prefix of every request', async () => {
  const { url, seen } = await peer(organizations);
  await client(`${url}/kms`).organizations.list();
  expect(seen[0]?.url).toBe('/kms/api/v1/organization');
});

test.each(['', 'kms.hanzo.ai', 'file:///etc/passwd', 'ftp://x'])('%j is no address of KMS', (url) => {
  expect(() => client(url)).toThrow('not an address of KMS');
});

test.each([
  ['2', 2000],
  ['0', 0],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 5000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['soon', undefined],
  [null, undefined],
])('retry-after %j is read as %j ms', (header, ms) => {
  expect(parseRetryAfter(header, 5000)).toBe(ms);
});

test('an answer without end is given up', async () => {
  const block = Buffer.alloc(1024 * 1024, ' ');
  const { url } = await peer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    const send = () => {
      while (response.write(block)) {
        // Until the socket is full; the rest when it has drained.
      }
    };
    response.on('drain', send);
    send();
  });
  await expect(new Kms({ url, credentials: { token: 't' } }).organizations.list()).rejects.toThrow(
    /larger than 67108864 bytes/,
  );
});

test('pages without end are given up', async () => {
  const { url, seen } = await peer((_request, response) => {
    const entry = {
      id: '00000000-0000-0000-0000-000000000001',
      role: 'no-access',
      roleId: null,
      customRole: null,
      orgId: '00000000-0000-0000-0000-000000000002',
      identityId: '00000000-0000-0000-0000-000000000003',
      createdAt: '2025-01-01T00:00:00.000Z',
      updatedAt: '2025-01-01T00:00:00.000Z',
      identity: { id: '00000000-0000-0000-0000-000000000003', name: 'x', authMethod: null, authMethods: [] },
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ identityMemberships: [entry], totalCount: 1e9 }));
  });
  const list = new Kms({ url, credentials: { token: 't' } }).identities.list('00000000-0000-0000-0000-000000000002');
  await expect(list).rejects.toThrow(/does not end/);
  expect(seen).toHaveLength(1_000);
});
