import { afterAll, beforeAll, expect, test } from 'vitest';
import { Histogram } from '../../../server/metrics/histogram.ts';
import { Job } from '../../../server/metrics/job.ts';
import { type MetricsListener, serveMetrics } from '../../../server/metrics/listener.ts';
import { Metrics } from '../../../server/metrics/metrics.ts';
import { Tally } from '../../../server/metrics/tally.ts';
import { canary } from '../../support/canary.ts';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';

let server: TestServer;
let listener: MetricsListener;
let project: { id: string };
let machine: Machine;

beforeAll(async () => {
  server = await startServer({ limits: { secrets: 20 }, sealEveryMs: 20 });
  listener = await serveMetrics(server.app.metrics, { host: '127.0.0.1', port: 0 });
  project = await server.project('gateway');
  await server.setSecrets(project.id, 'dev', { KEY: canary });
  machine = await server.machine('gateway-service', { projectId: project.id, roles: [{ role: 'viewer' }] });
});
afterAll(async () => {
  await listener.close();
  await server.close();
});

const list = () => `/api/v4/secrets?projectId=${project.id}&environment=dev`;
const look = async () => (await fetch(listener.address)).text();
/** The value of the one line that begins so. */
function read(text: string, line: string): number {
  const found = text.split('\n').filter((one) => one.startsWith(`${line} `));
  expect(found, line).toHaveLength(1);
  return Number(found[0]!.slice(line.length + 1));
}

test('what was asked and answered is counted', async () => {
  for (let n = 0; n < 5; n++) await server.send('GET', list(), { token: machine.token });
  await server.send('GET', '/api/v9/whatever', { token: machine.token });
  await server.send('GET', `/api/v4/secrets/NONE?projectId=${project.id}&environment=dev`, { token: machine.token });
  await server.send('GET', list(), { token: 'forged' });
  const text = await look();
  const route = 'route="/api/v4/secrets",method="GET"';
  expect(read(text, `kms_http_requests_total{${route},status="200"}`)).toBe(5);
  expect(read(text, `kms_http_requests_total{${route},status="401"}`)).toBe(1);
  expect(read(text, `kms_http_requests_total{route="unmatched",method="*",status="404"}`)).toBe(1);
  expect(read(text, `kms_http_request_seconds_count{${route}}`)).toBe(6);
  expect(read(text, `kms_http_request_seconds_bucket{${route},le="+Inf"}`)).toBe(6);
  expect(read(text, 'kms_cache_lookups_total{result="held"}')).toBe(4);
  expect(read(text, 'kms_cache_fills_total')).toBe(1);
  expect(read(text, 'kms_cache_bytes')).toBeGreaterThan(canary.length);
  expect(read(text, 'kms_group_size_count{group="verdicts"}')).toBeGreaterThan(5);
  expect(read(text, 'kms_group_waiting{group="audit"}')).toBe(0);
  expect(read(text, 'kms_database_connections{pool="path",state="waiting"}')).toBe(0);
  expect(read(text, 'kms_refusals_total{kind="notFound"}')).toBe(2);
  expect(read(text, 'kms_refused_strangers_total{reason="token-forged"}')).toBe(1);
  expect(read(text, 'kms_seal_failures_total')).toBe(0);
  expect(read(text, 'kms_event_loop_delay_seconds{quantile="0.99"}')).toBeLessThan(30);
  expect(read(text, 'kms_process_memory_bytes{kind="resident"}')).toBeGreaterThan(10_000_000);
});

test('a value that does not open is counted', async () => {
  await server.setSecrets(project.id, 'staging', { BROKEN: canary });
  await server.sql.query(
    `update secrets set sealed_value = set_byte(sealed_value, length(sealed_value) - 1, get_byte(sealed_value, length(sealed_value) - 1) # 1)
      where key = 'BROKEN'`,
  );
  const url = `/api/v4/secrets/BROKEN?projectId=${project.id}&environment=staging`;
  expect((await server.send('GET', url, { token: server.admin })).status).toBe(500);
  expect(read(await look(), 'kms_seal_failures_total')).toBe(1);
});

test('who meets a limit is counted by class', async () => {
  for (let n = 0; n < 50; n++) await server.send('GET', list(), { token: machine.token });
  expect(read(await look(), 'kms_rate_limited_total{class="secrets"}')).toBeGreaterThanOrEqual(1);
});

test('nothing in the numbers is a name, a token, a path or a value', async () => {
  const odd = `/api/v4/secrets/${canary}?projectId=${project.id}&environment=dev`;
  await server.send('GET', odd, { token: machine.token });
  await server.send('GET', `/${canary}/${canary}`);
  const text = await look();
  for (const secret of [canary, machine.token, machine.id, machine.clientSecret, project.id, 'KEY', 'gateway']) {
    expect(text).not.toContain(secret);
  }
});

test('what callers choose makes no new numbers', async () => {
  const lines = (text: string) => text.split('\n').length;
  const before = lines(await look());
  for (let n = 0; n < 100; n++) {
    await server.app.inject({ method: 'GET', url: `/made-up/${n}`, headers: { 'user-agent': `agent ${n}` } });
    await server.app.inject({ method: 'PROPFIND' as 'GET', url: `/made-up/${n}` });
    await server.app.inject({ url: '/api/v1/organization', headers: { authorization: `Bearer ${n}` } });
  }
  expect(lines(await look()) - before).toBeLessThan(25);
});

test.each([
  ['GET', '/', 404],
  ['GET', '/api/status', 404],
  ['GET', '/api/v4/secrets', 404],
  ['POST', '/metrics', 405],
  ['GET', '/metrics?x=y', 200],
  ['HEAD', '/metrics', 200],
])('%s %s on the port of the metrics is a %i', async (method, path, status) => {
  const url = new URL(path, listener.address);
  expect((await fetch(url, { method, headers: { authorization: `Bearer ${server.admin}` } })).status).toBe(status);
});

test('the API does not serve the metrics', async () => {
  expect((await server.send('GET', '/metrics')).status).toBe(404);
  expect((await server.send('GET', '/metrics', { token: server.admin })).status).toBe(404);
});

test('a background job tells its age and its failures', async () => {
  const metrics = new Metrics();
  const job = metrics.job('sweep');
  expect(await metrics.render()).toContain('kms_job_last_success_timestamp_seconds{job="sweep"} 0');
  await job.run(async () => undefined);
  await expect(job.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  const text = await metrics.render();
  expect(read(text, 'kms_job_last_success_timestamp_seconds{job="sweep"}')).toBeGreaterThan(Date.now() / 1000 - 60);
  expect(read(text, 'kms_job_failures_total{job="sweep"}')).toBe(1);
});

test('every background job of the server reports itself', async () => {
  const jobs = [
    ...['audit-partitions', 'audit-retention', 'audit-seal', 'audit-strangers', 'audit-streams', 'audit-unchanged'],
    ...['audit-unchanged-hours', 'events-read', 'events-sweep', 'history-pruning', 'last-seen', 'replica-report'],
    ...['sessions-sweep', 'tokens-sweep'],
  ];
  const told = [...(await look()).matchAll(/^kms_job_last_success_timestamp_seconds\{job="([^"]+)"\}/gm)];
  expect(told.map(([, job]) => job).toSorted()).toEqual(jobs);
  for (const job of ['audit-partitions', 'audit-seal', 'audit-streams', 'replica-report']) {
    await expect
      .poll(async () => read(await look(), `kms_job_last_success_timestamp_seconds{job="${job}"}`), { message: job })
      .toBeGreaterThan(Date.now() / 1000 - 60);
    expect(read(await look(), `kms_job_failures_total{job="${job}"}`)).toBe(0);
  }
});

test('a job that repeats notes what fails, and goes on', async () => {
  const job = new Job('sweep');
  let runs = 0;
  const failures: unknown[] = [];
  const work = async () => {
    if (++runs === 1) throw new Error('once');
  };
  const stop = job.every(1, work, (error) => failures.push(error));
  await expect.poll(() => job.lastSuccess).toBeGreaterThan(0);
  stop();
  expect(job.failures).toBe(1);
  expect(failures).toHaveLength(1);
});

test('a histogram counts each value once, and up to its bound', async () => {
  const metrics = new Metrics();
  const histogram = new Histogram([1, 5]);
  for (const value of [0, 1, 1.1, 5, 6]) histogram.observe(value);
  metrics.histogram('kms_sizes', 'sizes', () => [[{ of: 'x' }, histogram]]);
  expect((await metrics.render()).split('\n').filter((line) => line.startsWith('kms_sizes'))).toEqual([
    'kms_sizes_bucket{of="x",le="1"} 2',
    'kms_sizes_bucket{of="x",le="5"} 4',
    'kms_sizes_bucket{of="x",le="+Inf"} 5',
    'kms_sizes_sum{of="x"} 13.1',
    'kms_sizes_count{of="x"} 5',
  ]);
});

test('a tally of what somebody makes up stays small', () => {
  const tally = new Tally();
  for (let n = 0; n < 10_000; n++) tally.add(`made up ${n}`);
  expect(tally.entries('name').length).toBeLessThanOrEqual(201);
  expect(tally.of('other')).toBe(9_800);
});

test('names that clash or mislead are refused', () => {
  const metrics = new Metrics();
  metrics.gauge('kms_one', 'one', () => 1);
  expect(() => metrics.gauge('kms_one', 'one', () => 1)).toThrow('there already');
  expect(() => metrics.gauge('one', 'one', () => 1)).toThrow('kms_');
  expect(() => metrics.counter('kms_two', 'two', () => 1)).toThrow('_total');
});
