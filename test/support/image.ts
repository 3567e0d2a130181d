import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { isAdmitted } from './dockerignore.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

/** A line for each file below a folder: what a layer has of it. */
export function fingerprintOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => {
      const about = lstatSync(join(folder, path));
      const content = about.isSymbolicLink()
        ? readlinkSync(join(folder, path))
        : about.isFile()
          ? readFileSync(join(folder, path))
          : '';
      const digest = createHash('sha256').update(content).digest('hex');
      return `${path} ${about.mode.toString(8)} ${about.mtimeMs} ${digest}`;
    })
    .sort();
}

export function buildImage(context: string, image: string, ...more: string[]): string {
  return execFileSync(process.execPath, [join(context, 'tools/image/build.mjs'), image, ...more], {
    encoding: 'utf8',
    timeout: 280_000,
  });
}

/** The files of this clone that .dockerignore lets in, in a folder of their own; its dependencies are this clone's. */
export function contextOfTheBuild(folder: string): string {
  const admitted = isAdmitted(readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8'));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  });
  for (const path of files
    .split('\0')
    .filter((each) => each !== '' && admitted(each) && existsSync(join(REPOSITORY, each)))) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    cpSync(join(REPOSITORY, path), join(folder, path));
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

export const isFile = (path: string) => existsSync(path) && statSync(path).isFile();

/** The files that `import` and `require` of a package by its name end at, by Node's rules; none for packages of types alone. */
export function entriesOf({ main, exports }: { main?: string; exports?: unknown }): string[] {
  const targets = exports === undefined ? [main ?? []].flat() : conditional(exports);
  return targets.filter((each) => /\.(js|cjs|mjs|json|node)$/.test(each) && !each.includes('*'));
}

function conditional(target: unknown): string[] {
  if (typeof target === 'string') return [target];
  if (Array.isArray(target)) return target.flatMap(conditional).slice(0, 1);
  if (target === null || typeof target !== 'object') return [];
  const entries = Object.entries(target);
  if (entries.some(([key]) => key.startsWith('.'))) return entries.flatMap(([, value]) => conditional(value));
  return ['import', 'require'].flatMap((how) => {
    const found = entries.find(([condition]) => ['node', 'default', how].includes(condition));
    return found ? conditional(found[1]) : [];
  });
}
