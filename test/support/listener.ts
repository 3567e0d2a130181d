import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Certificate } from './certificates.ts';

export interface Listener {
  readonly port: number;
  /** Requests that came in, as `METHOD path`. */
  readonly seen: string[];
  close(): Promise<void>;
}

/** Another server on 127.0.0.1: what ours calls. With a certificate it speaks TLS. */
export async function listen(handle: RequestListener, certificate?: Certificate): Promise<Listener> {
  const seen: string[] = [];
  const onRequest: RequestListener = (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    handle(request, response);
  };
  const server = certificate ? https.createServer(certificate, onRequest) : http.createServer(onRequest);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
