import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './prepare.mjs';

/** What npm takes along whatever `files` says. */
const ALWAYS = ['README.md', 'LICENSE'];
/** What only a clone has a use for. */
const OF_THE_CLONE = ['scripts', 'devDependencies', 'workspaces'];

/** @typedef {Record<string, any>} Manifest */

/** @returns {Manifest} */
export const readManifest = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/**
 * package.json as it is published.
 *
 * @param {Manifest} manifest
 * @returns {Manifest}
 */
const publishedManifest = (manifest) =>
  Object.fromEntries(Object.entries(manifest).filter(([field]) => !OF_THE_CLONE.includes(field)));

/**
 * The lockfile of what runs: the entries that the dependencies lead to, optional ones of every platform among them, and
 * nothing that tests, builds or peers brought.
 *
 * @param {{ packages: Record<string, Manifest> } & Manifest} lock package-lock.json
 * @returns {{ packages: Record<string, Manifest> } & Manifest}
 */
export function productionLock(lock) {
  const { packages } = lock;
  /** @param {string} from @param {string} name */
  const find = (from, name) => {
    for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
      const path = `${at === '' ? '' : `${at}/`}node_modules/${name}`;
      if (packages[path]) return path;
      if (at === '') throw new Error(`package-lock.json has no ${name}, which ${from || 'the package'} needs`);
    }
  };
  const kept = new Set(['']);
  for (const path of kept) {
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = packages[path] ?? {};
    const peers = Object.keys(peerDependencies ?? {}).filter((name) => !peerDependenciesMeta?.[name]?.optional);
    const names = [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers];
    for (const name of names) kept.add(find(path, name));
  }
  return {
    ...lock,
    packages: Object.fromEntries(
      Object.entries(packages)
        .filter(([path]) => kept.has(path))
        .map(([path, entry]) => [path, path === '' ? publishedManifest(entry) : entry]),
    ),
  };
}

/**
 * The package as it is published, in a folder of its own: what `files` names, the compiled code, the published package.json.
 *
 * @param {string} folder made anew
 * @param {string} [built] a folder that `npm run build` made, to spare the compiler
 */
export function stage(folder, built) {
  if (existsSync(folder)) throw new Error(`${folder} exists: name a folder that can be made anew`);
  mkdirSync(folder, { recursive: true });
  const manifest = readManifest();
  for (const path of [...manifest.files, ...ALWAYS].filter((each) => each !== 'lib')) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  writeJson(join(folder, 'package.json'), publishedManifest(manifest));
  if (built) cpSync(built, join(folder, 'lib'), { recursive: true });
  else {
    const { status } = spawnSync(process.execPath, [join(root, 'tools/build.mjs'), join(folder, 'lib')], {
      stdio: 'inherit',
    });
    if (status !== 0) throw new Error('the build failed, see above');
  }
}

/** @param {string} path @param {unknown} value */
export function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
