import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { canary } from '../support/canary.ts';
import { startServer } from '../support/server.ts';
import { type Command, go, NotHere } from './toolchains.ts';

/** Traces, as OpenTelemetry's own collector understands them: the server's tests have a receiver that we wrote. */

interface SeenSpan {
  readonly service: string;
  readonly scope: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: string;
  readonly status: string;
  readonly nanoseconds: number;
  readonly attributes: Record<string, unknown>;
}

async function startCollector(command: Command): Promise<{ endpoint: string; spans: SeenSpan[] }> {
  const child = spawn(command.file, command.args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  });
  const lines = createInterface({ input: child.stdout });
  const [endpoint] = await once(lines, 'line');
  const spans: SeenSpan[] = [];
  lines.on('line', (line) => spans.push(JSON.parse(line)));
  return { endpoint, spans };
}

test('a collector understands a request, its statements, and the trace that a proxy began', async ({ skip }) => {
  let command: Command;
  try {
    command = await go('otel-collector');
  } catch (error) {
    if (error instanceof NotHere) return skip(error.message);
    throw error;
  }
  const { endpoint, spans } = await startCollector(command);
  const server = await startServer({
    tracing: { endpoint, everyMs: 50 },
    trustedProxies: { networks: ['127.0.0.1/32'], header: 'x-forwarded-for' },
  });
  onTestFinished(() => server.close());
  const project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { DATABASE_URL: canary });
  const traceId = '0af7651916cd43dd8448eb211c80319c';
  const parentSpanId = 'b7ad6b7169203331';
  const answer = await server.app.inject({
    url: `/api/v4/secrets/DATABASE_URL?projectId=${project.id}&environment=dev`,
    headers: { authorization: `Bearer ${server.admin}`, traceparent: `00-${traceId}-${parentSpanId}-01` },
  });
  expect(answer.statusCode).toBe(200);

  const ofTrace = () => spans.filter((span) => span.traceId === traceId);
  const request = () => ofTrace().find((span) => span.kind === 'Server');
  await expect.poll(request, { timeout: 20_000, interval: 20 }).toBeDefined();
  const own = request()!;
  expect(own).toMatchObject({
    service: 'hanzo-kms',
    scope: 'hanzo-kms',
    name: 'GET /api/v4/secrets/:secretName',
    parentSpanId,
    attributes: { 'http.request.method': 'GET', 'http.response.status_code': 200 },
  });
  expect(own.nanoseconds).toBeGreaterThan(0);
  const statements = ofTrace().filter((span) => span !== own);
  expect(statements.length).toBeGreaterThan(0);
  for (const statement of statements) expect(statement).toMatchObject({ parentSpanId: own.spanId, kind: 'Client' });
  expect(JSON.stringify(spans)).not.toContain(canary);
});
