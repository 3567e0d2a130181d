import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { OperatorConfig } from './config.ts';
import type { OperatorMetrics } from './metrics.ts';

/**
 * `/healthz`: the process answers. `/readyz`: it also reached the API server lately, leader or not. `/metrics`: Prometheus.
 *
 * @throws Error when the port is taken
 */
export async function startHealth(
  { HOST, PORT }: Pick<OperatorConfig, 'HOST' | 'PORT'>,
  metrics: OperatorMetrics,
  isReady: () => boolean,
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, text: string, type = 'text/plain; charset=utf-8') =>
      response.writeHead(status, { 'content-type': type }).end(text);
    if (request.method !== 'GET') return answer(405, 'only GET\n');
    // Not parsed: what somebody writes there need not be an address, and nothing that is thrown here has anybody who catches it.
    const [pathname] = (request.url ?? '').split('?');
    if (pathname === '/healthz') return answer(200, 'ok\n');
    if (pathname === '/readyz')
      return isReady() ? answer(200, 'ok\n') : answer(503, 'the API server was not reached lately\n');
    if (pathname === '/metrics') return answer(200, await metrics.registry.metrics(), metrics.registry.contentType);
    return answer(404, 'there are /healthz, /readyz and /metrics\n');
  });
  server.headersTimeout = 5000;
  server.requestTimeout = 5000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(PORT, HOST, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
