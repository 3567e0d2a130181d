import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Chart } from 'cdk8s';
import type { Construct } from 'constructs';
import { expect, test } from 'vitest';
import { KmsTrialPostgres } from '../../constructs/kms-trial-postgres.ts';
import { KmsTrialRedis } from '../../constructs/kms-trial-redis.ts';
import { VERSION } from '../../contracts/index.ts';
import { COMPOSE_FILE, composeServices } from '../support/compose.ts';
import { isAdmitted } from '../support/dockerignore.ts';
import { thorough } from '../support/thorough.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const services = composeServices();
const text = readFileSync(COMPOSE_FILE, 'utf8');

test('no secret stands in compose.yaml, nor where git or the image would have it', () => {
  expect(text).not.toMatch(/ROOT_ENCRYPTION_KEY|AUTH_SECRET|DB_CONNECTION_URI|PASSWORD/);
  expect(text).not.toMatch(/:\/\/[^/\s]*@/);
  const admitted = isAdmitted(readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8'));
  for (const { env_file } of [services.kms!, services.postgres!]) {
    expect(admitted(env_file!)).toBe(false);
    expect(spawnSync('git', ['check-ignore', '--quiet', env_file!], { cwd: REPOSITORY }).status).toBe(0);
  }
});

test('each service has its own env file, so that the root key is with KMS alone', () => {
  expect(Object.entries(services).map(([name, { env_file }]) => [name, env_file])).toEqual([
    ['kms', 'kms.env'],
    ['postgres', 'kms-postgres.env'],
    ['redis', undefined],
  ]);
});

test('only KMS is reached from outside, and only from this machine', () => {
  const published = Object.entries(services).flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port]));
  expect(published).toEqual([['kms', expect.stringMatching(/^127\.0\.0\.1:.*:8080$/)]]);
  const outside = Object.entries(services).filter(([, { networks }]) => networks.some((name) => name !== 'inside'));
  expect(outside.map(([name]) => name)).toEqual(['kms']);
});

test.each(Object.keys(services))('%s writes to no file of its image, gains no right, and tells its health', (name) => {
  const service = services[name]!;
  expect(service.read_only).toBe(true);
  expect(service.security_opt).toEqual(['no-new-privileges:true']);
  expect(service.healthcheck?.test[0]).toBe('CMD');
});

test('KMS waits until Postgres and Redis are well', () => {
  expect(services.kms!.depends_on).toEqual({
    postgres: { condition: 'service_healthy' },
    redis: { condition: 'service_healthy' },
  });
  expect(services.kms).toMatchObject({ cap_drop: ['ALL'], healthcheck: { test: ['CMD', 'kms-health'] } });
});

test('the images are those of this version and of the trial in a cluster', () => {
  const imageOf = (make: (scope: Construct) => unknown) => {
    const chart = new Chart(new App(), 'chart');
    make(chart);
    return JSON.stringify(chart.toJson()).match(/"image":"([^"]+)"/)![1];
  };
  expect(Object.fromEntries(Object.entries(services).map(([name, { image }]) => [name, image]))).toEqual({
    kms: `ghcr.io/hanzoai/kms:${VERSION}`,
    postgres: imageOf((scope) => new KmsTrialPostgres(scope, 'postgres')),
    redis: imageOf((scope) => new KmsTrialRedis(scope, 'redis')),
  });
});

const noGo = spawnSync('go', ['version']).status !== 0;
thorough.skipIf(noGo)(
  `compose's own loader takes the file, and not a broken one${noGo ? ' (skipped: no Go)' : ''}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kms-compose-'));
    copyFileSync(COMPOSE_FILE, join(folder, 'compose.yaml'));
    for (const file of ['kms.env', 'kms-postgres.env']) writeFileSync(join(folder, file), 'A=1\n');
    writeFileSync(join(folder, 'broken.yaml'), text.replace('read_only: true', 'readonly: true'));
    const loader = 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2';
    execFileSync('go', ['install', loader], { env: { ...process.env, GOBIN: folder } });
    const load = (file: string) =>
      spawnSync(join(folder, 'cmd'), ['--format', 'json', file], { cwd: folder, encoding: 'utf8' });
    const { status, stdout } = load('compose.yaml');
    expect(status).toBe(0);
    expect(Object.keys(JSON.parse(stdout).services)).toEqual(Object.keys(services));
    expect(load('broken.yaml').stderr).toContain('readonly');
    await rm(folder, { recursive: true });
  },
  240_000,
);
