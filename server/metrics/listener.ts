import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ConfigError } from '../config.ts';
import { http } from '../http/node-http.ts';
import type { Metrics } from './metrics.ts';
import { tellProcess } from './process.ts';

export interface MetricsListener {
  readonly address: string;
  close(): Promise<void>;
}

/**
 * Serves the metrics on a port of their own, which no route of the API is reached through: whoever may look at numbers
 * need not be let near the secrets. Nobody logs in there; who reaches the port is the network's to say.
 */
export async function serveMetrics(
  metrics: Metrics,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<MetricsListener> {
  const stopWatching = tellProcess(metrics);
  const server = http.createServer(
    { requestTimeout: 5_000, headersTimeout: 5_000, keepAliveTimeout: 30_000 },
    (request, response) => {
      const path = request.url?.split('?')[0];
      const reads = request.method === 'GET' || request.method === 'HEAD';
      if (path !== '/metrics' || !reads) {
        response
          .writeHead(path === '/metrics' ? 405 : 404, { 'content-type': 'text/plain' })
          .end('the metrics are at GET /metrics\n');
        return;
      }
      metrics.render().then(
        (text) => {
          response.writeHead(200, {
            'content-type': 'text/plain; version=0.0.4; charset=utf-8',
            'cache-control': 'no-store',
          });
          response.end(request.method === 'HEAD' ? undefined : text);
        },
        () => response.writeHead(500).end(),
      );
    },
  );
  server.maxConnections = 20;
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    stopWatching();
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError(
      `the metrics cannot listen on ${host}:${port} (${code}); change KMS_METRICS_PORT or KMS_METRICS_HOST`,
    );
  }
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    address: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}/metrics`,
    close: async () => {
      stopWatching();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
