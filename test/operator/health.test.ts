import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startHealth } from '../../operator/health.ts';
import { OperatorMetrics } from '../../operator/metrics.ts';

/** Anybody who reaches the port may ask, so whatever is asked has to leave the operator standing. */

let health: Awaited<ReturnType<typeof startHealth>>;

beforeAll(async () => {
  const metrics = new OperatorMetrics({ isLeader: () => true, depth: () => 0, requests: () => new Map() });
  health = await startHealth({ HOST: '127.0.0.1', PORT: 0 }, metrics, () => true);
});
afterAll(() => health.stop());

/** As it is written, which no client does. */
function ask(line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    connect(health.port, '127.0.0.1')
      .on('data', (chunk) => (answer += chunk))
      .on('close', () => resolve(answer))
      .on('error', reject)
      .end(`${line}\r\nhost: a\r\nconnection: close\r\n\r\n`);
  });
}

test.each(['GET // HTTP/1.1', 'GET http:// HTTP/1.1', 'GET //[ HTTP/1.1', 'GET /\\\\ HTTP/1.1'])(
  '%s is answered, and ends nothing',
  async (line) => {
    expect(await ask(line)).toMatch(/^HTTP\/1\.1 4/);
    expect(await ask('GET /healthz HTTP/1.1')).toMatch(/^HTTP\/1\.1 200/);
  },
);

test('a query is of no matter', async () => {
  expect(await ask('GET /healthz?verbose=1 HTTP/1.1')).toMatch(/^HTTP\/1\.1 200/);
});
