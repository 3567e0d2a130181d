import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { schemaOf, typesOf } from '../../../bootstrap/formats/types.ts';

const modules = fileURLToPath(new URL('../../../node_modules', import.meta.url));
const NAMES = ['DATABASE_URL', 'a name with "quotes"', 'MISSING'];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-types-'));
  await symlink(modules, join(folder, 'node_modules'));
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(join(folder, 'kms-env.js'), schemaOf(NAMES));
  await writeFile(join(folder, 'kms-env.d.ts'), typesOf(NAMES));
});
afterAll(() => rm(folder, { recursive: true }));

test('a program that loads its secrets itself gets the schema alone', () => {
  expect(schemaOf(NAMES, true)).not.toContain('process.env');
  expect(typesOf(NAMES, true)).not.toContain('const env');
  expect(schemaOf(NAMES)).toContain('Env.parse(process.env)');
});

test('a misspelt name does not compile, and a right one is a string', async () => {
  await writeFile(
    join(folder, 'right.ts'),
    `import { env } from './kms-env.js';\nexport const url: string = env.DATABASE_URL;\n`,
  );
  await writeFile(
    join(folder, 'wrong.ts'),
    `import { env } from './kms-env.js';\nexport const url = env.DATABSE_URL;\n`,
  );
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', 'right.ts', 'wrong.ts'];
  const { stdout } = spawnSync(process.execPath, [join(modules, 'typescript/bin/tsc'), ...options], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(stdout.match(/error TS\d+/g)).toHaveLength(1);
  expect(stdout).toMatch(/^wrong\.ts.*DATABSE_URL/);
});

test('a missing name ends the program at start and is told, other values are not', () => {
  const start = (env: Record<string, string>) =>
    spawnSync(
      process.execPath,
      ['--input-type=module', '-e', `import { env } from './kms-env.js'; console.log(env.DATABASE_URL)`],
      {
        cwd: folder,
        env,
        encoding: 'utf8',
      },
    );
  const there = { DATABASE_URL: 'postgres://there', 'a name with "quotes"': 'x' };
  const { status, stderr } = start(there);
  expect([status, stderr.includes('MISSING'), stderr.includes('postgres://there')]).toEqual([1, true, false]);
});
