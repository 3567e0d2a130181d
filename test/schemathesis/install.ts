import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const VERSION = '4.32.5';

/** The `schemathesis` of this version, installed from PyPI the first time. */
export function ensureSchemathesis(): string {
  const folder = process.env.KMS_SCHEMATHESIS_DIR ?? join(homedir(), '.cache/schemathesis');
  const venv = join(folder, 'venv');
  const program = join(venv, 'bin/schemathesis');
  if (existsSync(program) && output(program, ['--version']).includes(VERSION)) return program;
  console.log(`installing schemathesis ${VERSION} into ${venv}`);
  output('python3', ['-m', 'venv', '--clear', venv]);
  output(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', `schemathesis==${VERSION}`]);
  return program;
}

function output(command: string, parameters: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, parameters, { encoding: 'utf8' });
  if (status !== 0)
    throw new Error(`${command} ${parameters.join(' ')} failed: ${error?.message ?? stderr.slice(-2_000)}`);
  return stdout;
}
