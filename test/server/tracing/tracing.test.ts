import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTraceparent } from '../../../server/tracing/traceparent.ts';
import { canary } from '../../support/canary.ts';
import { startServer, type TestServer } from '../../support/server.ts';

interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly status: { readonly code?: number };
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

/** A collector: keeps all that it is sent. */
class Collector {
  readonly received: string[] = [];
  readonly #server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (piece) => {
      body += piece;
    });
    request.on('end', () => {
      this.received.push(body);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get spans(): SentSpan[] {
    return this.received.flatMap((body) =>
      JSON.parse(body).resourceSpans.flatMap(({ scopeSpans }: any) => scopeSpans.flatMap(({ spans }: any) => spans)),
    );
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((stopped) => this.#server.close(stopped));
  }
}

const collector = new Collector();
let server: TestServer;
let base: string;
let project: { id: string };

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const traceparent = `00-${TRACE}-${PARENT}-01`;

beforeAll(async () => {
  const tracing = { endpoint: await collector.start(), everyMs: 50 };
  server = await startServer({ tracing, trustedProxies: { networks: ['127.0.0.2/32'], header: 'x-forwarded-for' } });
  base = await server.app.listen({ host: '127.0.0.1', port: 0 });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { [`SECRET_NAME_${canary}`]: canary });
});
afterAll(async () => {
  await server.close();
  await collector.stop();
});

const route = '/api/v4/secrets/:secretName';
const url = () => `/api/v4/secrets/SECRET_NAME_${canary}?projectId=${project.id}&environment=dev`;
const attribute = (span: SentSpan, name: string) => {
  const { value } = span.attributes.find(({ key }) => key === name) ?? { value: {} };
  return Object.values(value)[0];
};
/** The span of the request with this id, once it was sent, and those below it. */
async function spansOf(requestId: unknown): Promise<[SentSpan, SentSpan[]]> {
  const own = () => collector.spans.find((span) => attribute(span, 'kms.request_id') === requestId);
  await expect.poll(own, { timeout: 20_000, interval: 20 }).toBeDefined();
  const span = own()!;
  return [span, collector.spans.filter(({ parentSpanId }) => parentSpanId === span.spanId)];
}

test('a request is a span, and each of its statements one below it', async () => {
  const { headers } = await server.send('GET', url(), { token: server.admin });
  const [span, below] = await spansOf(headers['x-request-id']);
  expect(span.name).toBe(`GET ${route}`);
  expect(span.parentSpanId || undefined).toBeUndefined();
  expect(attribute(span, 'http.route')).toBe(route);
  expect(attribute(span, 'http.response.status_code')).toBe(200);
  expect(below.map(({ name }) => name)).toEqual(['access.admit', 'secrets.fill']);
  for (const { traceId } of below) expect(traceId).toBe(span.traceId);
});

test('statements of a request with a body belong to it too', async () => {
  const headers = { authorization: `Bearer ${server.admin}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ projectId: project.id, environment: 'dev', secretValue: canary });
  const answer = await fetch(`${base}/api/v4/secrets/MADE`, { method: 'POST', headers, body });
  expect(answer.status).toBe(200);
  const [, below] = await spansOf(answer.headers.get('x-request-id'));
  expect(below.length).toBeGreaterThan(2);
});

test('a trusted proxy puts a request into its trace, and nobody else does', async () => {
  const headers = { traceparent };
  const send = async (remoteAddress: string) =>
    (await server.app.inject({ url: '/api/status', headers, remoteAddress })).headers['x-request-id'];
  const [trusted] = await spansOf(await send('127.0.0.2'));
  expect([trusted.traceId, trusted.parentSpanId]).toEqual([TRACE, PARENT]);
  const [stranger] = await spansOf(await send('127.0.0.3'));
  expect(stranger.traceId).not.toBe(TRACE);
  expect(stranger.parentSpanId || undefined).toBeUndefined();
});

test('a failed request says so by its status alone', async () => {
  await server.sql.query(`update secrets set sealed_value = sealed_value || '\\x00' where key = 'MADE'`);
  await server.sql.query('update projects set change_id = gen_random_uuid()');
  const failed = await server.send('GET', url().replace(`SECRET_NAME_${canary}`, 'MADE'), { token: server.admin });
  expect(failed.status).toBe(500);
  const [span] = await spansOf(failed.headers['x-request-id']);
  expect(span.status.code).toBe(2);
  expect(Object.keys(span.status)).toEqual(['code']);
});

test('no span holds a value, a name of a secret, a token, an id or a query', async () => {
  const { headers } = await server.send('GET', `/api/${canary}?${canary}=${canary}`, { token: server.admin });
  const [span] = await spansOf(headers['x-request-id']);
  expect(span.name).toBe('GET unmatched');
  const all = collector.received.join('\n');
  for (const text of [canary, server.admin, project.id, 'environment=dev', 'Bearer']) {
    expect(all.includes(text), 'something that no span may hold').toBe(false);
  }
});

test('with a collector that is away requests are answered as ever, and the server stops', async () => {
  const away = await startServer({ tracing: { endpoint: 'http://127.0.0.1:9' } });
  for (let n = 0; n < 20; n++) expect((await away.send('GET', '/api/status')).status).toBe(200);
  await away.close();
});

test('a sampling of nothing sends nothing', async () => {
  const unsampled = new Collector();
  const quiet = await startServer({ tracing: { endpoint: await unsampled.start(), ratio: 0 } });
  await quiet.send('GET', '/api/status');
  await quiet.close();
  expect(unsampled.received).toEqual([]);
  await unsampled.stop();
});

test.each([
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', true],
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00', true],
  ['cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more', true],
  ['ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', false],
  ['00-00000000000000000000000000000000-b7ad6b7169203331-01', false],
  ['00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01', false],
  ['00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01', false],
  ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01evil', false],
  ['', false],
])('the traceparent %s is read: %s', (header, read) => {
  expect(parseTraceparent(header) !== undefined).toBe(read);
});
