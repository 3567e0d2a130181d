import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UserError } from '../problem.ts';

/** What a browser brought, and the proof that it was asked for here. */
interface Brought {
  readonly code: string;
  readonly verifier: string;
}

/** A login by browser that has begun. */
export interface Listening {
  /** What the browser is to open: on this machine, with nothing in it that anybody could use. */
  readonly address: string;
  /** What the page shows too, so that the person sees that it asks for this command line. */
  readonly words: string;
  /** @throws UserError when nobody came, or somebody else did */
  readonly brought: Promise<Brought>;
  close(): void;
}

/** How long somebody may take, in milliseconds. */
const PATIENCE_MS = 5 * 60_000;

/**
 * Listens on the loopback address for a code that a browser brings (RFC 8252). The browser begins here and is sent on to KMS, so that no
 * argument of a process holds what ties the two ends together: the first browser gets a cookie, and the code is taken from the browser that has it,
 * with the state that it was sent with. A program of another user that comes first is noticed when the person's browser does; a code that
 * it makes up is not taken.
 */
export async function listenForCode(url: string, patienceMs = PATIENCE_MS): Promise<Listening> {
  const [verifier, state, cookie] = [newSecret(), newSecret(), newSecret()];
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const name = `kms-login-${port}`;
  const page = new URL(`${url}/login/command-line`);
  for (const [key, value] of Object.entries({ port: String(port), state, challenge }))
    page.searchParams.set(key, value);

  const { promise: brought, resolve, reject } = Promise.withResolvers<Brought>();
  // Whoever closes before it awaits is told by nothing.
  brought.catch(() => {});
  const timer = setTimeout(
    () => reject(new UserError('nobody logged in within five minutes', 'kms login --password does without a browser')),
    patienceMs,
  );
  let hasBegun = false;
  server.on('request', (request, response) => {
    const isOurs = sameText(cookieOf(request, name), cookie);
    // A name that leads here is not this address: a page elsewhere could read what it is answered.
    const isHere = request.headers.host === `127.0.0.1:${port}` && request.method === 'GET';
    const address = `http://127.0.0.1${request.url}`;
    // Pages elsewhere try the ports of their visitors with images and frames; a person comes by the address bar.
    const isWindow = (request.headers['sec-fetch-dest'] ?? 'document') === 'document';
    if (!isHere || !isWindow || !request.url?.startsWith('/') || !URL.canParse(address))
      return answer(response, 403, 'This is not for you.');
    const { pathname, searchParams } = new URL(address);
    if (pathname === '/') {
      if (hasBegun && !isOurs) {
        reject(
          new UserError(
            'another program on this machine opened the login before, or beside, your browser; nobody was logged in',
            'run kms login again, or kms login --password',
          ),
        );
        return answer(response, 403, 'This login was begun by another program. Nobody was logged in.');
      }
      hasBegun = true;
      return answer(response, 302, '', {
        location: page.href,
        'set-cookie': `${name}=${cookie}; Path=/; Max-Age=600; HttpOnly; SameSite=Lax`,
      });
    }
    if (pathname === '/done') {
      const code = searchParams.get('code');
      if (!hasBegun || !isOurs || !sameText(searchParams.get('state'), state) || !code)
        return answer(response, 403, 'This answer is not for this login.');
      resolve({ code, verifier });
      // The code leaves the address bar.
      return answer(response, 303, '', { location: '/ended' });
    }
    return pathname === '/ended'
      ? answer(response, 200, 'kms is logged in on this computer. You can close this page.')
      : answer(response, 404, 'There is nothing here.');
  });
  return {
    address: `http://127.0.0.1:${port}/`,
    words: (Buffer.from(challenge, 'base64url').toString('hex').slice(0, 8).toUpperCase().match(/..../g) ?? []).join(
      '-',
    ),
    brought: brought.finally(() => clearTimeout(timer)),
    close() {
      clearTimeout(timer);
      server.close();
      server.closeIdleConnections();
      // The last page may be on its way still.
      setTimeout(() => server.closeAllConnections(), 500).unref();
      server.unref();
    },
  };
}

const newSecret = () => randomBytes(32).toString('base64url');

function sameText(given: string | null | undefined, wanted: string): boolean {
  const [one, other] = [Buffer.from(given ?? ''), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}

function cookieOf(request: IncomingMessage, name: string): string | undefined {
  const pairs = (request.headers.cookie ?? '').split('; ').map((pair) => pair.split(/=(.*)/s));
  return pairs.find(([key]) => key === name)?.[1];
}

function answer(response: ServerResponse, status: number, text: string, headers: Record<string, string> = {}): void {
  response
    .writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      ...headers,
    })
    .end(text);
}
