import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { everything } from '../support/thorough.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

test('every export of the package has its source', () => {
  const { exports } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
  const built = Object.values<{ default?: string }>(exports).flatMap((each) => each.default ?? []);
  const missing = built.filter(
    (path) => !existsSync(join(REPOSITORY, path.replace('./lib/', '').replace(/\.js$/, '.ts'))),
  );
  expect([built.length > 3, missing]).toEqual([true, []]);
});

if (everything) describe('the package, built twice', builtTwice);

function builtTwice(): void {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kms-build-'));
    for (const name of ['one', 'two']) build(name);
  }, 400_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const build = (name: string) =>
    execFileSync(process.execPath, [join(REPOSITORY, 'tools/build.mjs'), join(folder, name)], {
      encoding: 'utf8',
      // Half a minute on a machine at rest, and this is no test of its speed.
      timeout: 180_000,
    });

  const filesIn = (name: string) =>
    readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(folder, name, path)).isFile())
      .sort();

  const digestOf = (name: string) =>
    filesIn(name).map(
      (path) =>
        `${path} ${createHash('sha256')
          .update(readFileSync(join(folder, name, path)))
          .digest('hex')}`,
    );

  test('two builds are the same, byte for byte', () => {
    expect(digestOf('two')).toEqual(digestOf('one'));
    expect(readdirSync(folder).sort()).toEqual(['one', 'two']);
  });

  test('every export and program of the package is built', () => {
    const { exports } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8'));
    const wanted = Object.values<{ types?: string; default?: string }>(exports).flatMap((each) => [
      each.types,
      each.default,
    ]);
    const built = filesIn('one').map((path) => `./lib/${path}`);
    expect(built).toEqual(expect.arrayContaining(wanted.filter((path) => path !== undefined)));
    const programs = ['server/main.js', 'bootstrap/kms.js', 'bootstrap/kms-bootstrap.js'];
    expect(built).toEqual(expect.arrayContaining(programs.map((path) => `./lib/${path}`)));
  });

  test('migrations lie beside the compiled code that reads them', () => {
    const sources = readdirSync(join(REPOSITORY, 'server/database/migrations'));
    expect(readdirSync(join(folder, 'one/server/database/migrations'))).toEqual(sources);
  });

  test('compiled code imports compiled code, and is readable to Node', () => {
    for (const path of filesIn('one').filter((each) => each.endsWith('.js'))) {
      expect(readFileSync(join(folder, 'one', path), 'utf8'), path).not.toMatch(/(from|import\() *'\.[^']*\.ts'/);
    }
    const { status, stderr } = spawnSync(process.execPath, ['--check', join(folder, 'one/server/main.js')], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
}
