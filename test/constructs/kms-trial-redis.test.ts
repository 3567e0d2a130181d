import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Chart } from 'cdk8s';
import { Redis } from 'ioredis';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { KmsTrialRedis } from '../../constructs/index.ts';
import { freePort } from '../../tools/cluster/free-ports.ts';
import { noRedis } from '../support/redis.ts';

/** How the bundled Redis is started, tried with the one of this machine. */

const PASSWORD = 'n33dle-of-redis';

function command(): string {
  const chart = new Chart(new App(), 'chart');
  new KmsTrialRedis(chart, 'redis');
  const { spec } = chart.toJson().find(({ kind }) => kind === 'Deployment');
  const [shell, flag, script] = spec.template.spec.containers[0].command;
  expect([shell, flag]).toEqual(['sh', '-c']);
  return script;
}

describe.skipIf(noRedis)('the bundled Redis', () => {
  test('asks for its password, which no argument shows and nobody else may read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'kms-trial-redis-'));
    writeFileSync(join(folder, 'password'), PASSWORD);
    const port = await freePort();
    const script = command()
      .replaceAll('/run/kms-redis-auth', folder)
      .replaceAll('/run/redis', folder)
      .replace('port 6379', `port ${port}`)
      .replace('bind * -::*', 'bind 127.0.0.1')
      .replace('dir /tmp', `dir ${folder}`);
    const child = spawn('sh', ['-c', script], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const connect = (password?: string) => {
      const client = new Redis({ port, host: '127.0.0.1', password, lazyConnect: true, retryStrategy: () => null });
      client.on('error', () => undefined);
      onTestFinished(() => client.disconnect());
      return client;
    };
    onTestFinished(async () => {
      child.kill();
      await ended;
      rmSync(folder, { recursive: true });
    });
    expect(await vi.waitFor(() => connect(PASSWORD).ping(), { timeout: 10_000 })).toBe('PONG');
    await expect(connect().ping()).rejects.toThrow(/NOAUTH/);
    // It took the place of the shell, so that the signal to stop reaches it.
    const arguments_ = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8');
    expect(arguments_).toContain('redis-server');
    expect(arguments_).not.toContain(PASSWORD);
    expect(statSync(join(folder, 'redis.conf')).mode & 0o777).toBe(0o600);
    const client = connect(PASSWORD);
    expect(await client.config('GET', 'save')).toEqual(['save', '']);
    expect(await client.config('GET', 'appendonly')).toEqual(['appendonly', 'no']);
  });
});
