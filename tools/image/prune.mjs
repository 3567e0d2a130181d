import { lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** Types, and maps from compiled code to sources. */
const TYPES = /\.(?:[cm]?ts|map|tsbuildinfo)$/;
/** Texts for people, settings of tools, sources in C, programs for Bare. */
const UNREAD = /\.(?:md|markdown|c|cc|h|gyp|bare|ya?ml|eslintrc|sh)$|^\.|^(?:CMakeLists\.txt|Makefile)$/i;
/** What must stay with the code that it is about. */
const LEGAL = /^(?:licen[cs]e|notice|copying|copyright|authors)/i;
/** Folders for those who change a package; at its top only, since deeper down a folder `test` can be part of the program. */
const FOR_AUTHORS = new Set([
  'test',
  'tests',
  '__tests__',
  'doc',
  'docs',
  'example',
  'examples',
  'bench',
  'benchmark',
  'benchmarks',
  'coverage',
  'prebuilds',
]);
/** The same code again, for bundlers and browsers: Node takes what `main` names. */
const TWICE = [{ package: /^@opentelemetry\//, folders: ['build/esm', 'build/esnext'] }];

/**
 * Takes out of node_modules what a running program never reads. Every package keeps its package.json and its licence, so that
 * scanners find what is there.
 *
 * @param {string} modules a folder node_modules
 */
export function prune(modules) {
  for (const name of packagesIn(modules)) {
    const folder = join(modules, name);
    for (const each of readdirSync(folder, { withFileTypes: true }))
      if (each.isDirectory() && FOR_AUTHORS.has(each.name)) rmSync(join(folder, each.name), { recursive: true });
    for (const twice of TWICE.filter((rule) => rule.package.test(name)))
      for (const each of twice.folders) rmSync(join(folder, each), { recursive: true, force: true });
    pruneFolder(folder);
  }
  for (const each of readdirSync(modules)) if (each.startsWith('.')) rmSync(join(modules, each), { recursive: true });
}

/** @param {string} modules */
function packagesIn(modules) {
  return readdirSync(modules)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) =>
      name.startsWith('@') ? readdirSync(join(modules, name)).map((each) => `${name}/${each}`) : [name],
    );
}

/**
 * The same for a folder of one package.
 *
 * @param {string} folder
 */
export function pruneFolder(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (name === 'node_modules') prune(path);
    else if (lstatSync(path).isDirectory()) pruneFolder(path);
    else if (TYPES.test(name) || (UNREAD.test(name) && !LEGAL.test(name))) rmSync(path);
  }
  if (readdirSync(folder).length === 0) rmdirSync(folder);
}
