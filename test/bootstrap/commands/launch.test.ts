import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const bin = (name: string) => fileURLToPath(new URL(`../../../bin/${name}.js`, import.meta.url));

/** A Node on the path that cannot run TypeScript itself, as a newcomer's machine may have; none is a named skip. */
const older = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'node'))
  .filter((node) => !node.includes('node_modules') && existsSync(node))
  .find((node) => /^v(1\d|20|21)\./.test(execFileSync(node, ['--version'], { encoding: 'utf8' })));

const run = (node: string, name: string, ...args: string[]) =>
  spawnSync(node, [bin(name), ...args], { encoding: 'utf8' });

test.each(['kms', 'kms-bootstrap'])('%s starts from its launcher', (name) => {
  const { status, stdout } = run(process.execPath, name, '--version');
  expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test.skipIf(!older)('an older Node hands over, exit code included', () => {
  expect(run(older!, 'kms-bootstrap', '--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d/) });
  const refused = run(older!, 'kms-bootstrap', 'frobnicate');
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain("kms-bootstrap: error: unknown command 'frobnicate'");
});
