import type { AddressInfo } from 'node:net';
import { makeProof, parseAuthSecret } from '../../../keys/index.ts';
import { Kms } from '../../../sdk/index.ts';
import type { AppOptions } from '../../../server/app-options.ts';
import { startEmptyServer, type TestServer } from '../../support/server.ts';

export interface Sent {
  readonly method: string;
  readonly path: string;
}

/** A real server that listens, and a fetch that keeps note of what goes to it. */
export interface LiveServer {
  readonly server: TestServer;
  readonly url: string;
  readonly authSecret: ReturnType<typeof parseAuthSecret>;
  /** Every request that was sent through `fetch`, in order. */
  readonly sent: Sent[];
  readonly fetch: typeof fetch;
  /** The client of an instance admin, after the first run. */
  admin(email?: string): Promise<Kms>;
  close(): Promise<void>;
}

export async function startLiveServer(options: Partial<AppOptions> = {}): Promise<LiveServer> {
  const server = await startEmptyServer(options);
  await server.app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(server.app.server.address() as AddressInfo).port}`;
  const authSecret = parseAuthSecret(server.secrets.authSecret);
  const sent: Sent[] = [];
  const noting: typeof fetch = (input, init) => {
    sent.push({ method: init?.method ?? 'GET', path: new URL(String(input)).pathname });
    return fetch(input, init);
  };
  return {
    server,
    url,
    authSecret,
    sent,
    fetch: noting,
    async admin(email = 'z@hanzo.ai') {
      const { accessToken } = await new Kms({ url }).admin.recoverySession(email, (request) =>
        makeProof(authSecret, request),
      );
      return new Kms({ url, fetch: noting, credentials: { token: accessToken } });
    },
    async close() {
      // Kept-alive connections of our own client would be waited for.
      server.app.server.closeAllConnections();
      await server.close();
    },
  };
}

/** Requests that change something; a login or a proof leaves no trace but in the audit. */
export const writesAmong = (sent: readonly Sent[]) =>
  sent.filter(({ method, path }) => method !== 'GET' && !/\/(login|recovery-session)$/.test(path));
