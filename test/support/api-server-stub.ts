import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { newAuthority } from './certificates.ts';

/** An empty cluster, as far as the operator needs one to be ready: it lists nothing, watches nothing, and lets it lead. */
export async function startApiServerStub(token: string) {
  const authority = newAuthority();
  const { cert, key } = authority.issue('127.0.0.1');
  const server = createServer({ cert, key }, async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const answer = (status: number, object: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(object));
    const failure = (code: number, reason: string) =>
      answer(code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason, code });
    if (request.headers.authorization !== `Bearer ${token}`) return failure(401, 'Unauthorized');
    const url = new URL(request.url ?? '/', 'https://stub');
    if (request.method !== 'GET')
      return answer(request.method === 'POST' ? 201 : 200, { ...JSON.parse(body || '{}'), status: { allowed: true } });
    if (url.searchParams.has('watch'))
      return void response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    if (/\/leases\/[^/]+$/.test(url.pathname)) return failure(404, 'NotFound');
    return answer(200, { kind: 'List', apiVersion: 'v1', metadata: { resourceVersion: '1' }, items: [] });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    ca: authority.cert,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
