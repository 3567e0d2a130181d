// `node tools/image/build.mjs <folder>`: everything that the image adds to its base, below that folder. The Dockerfile has no other
// step, so what a test finds out about the folder holds for the image. `--lib <folder>` takes code that is compiled already.
import { chmodSync, cpSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, requireNode } from '../lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare, root } = await import('../lib/prepare.mjs');
const { npm } = await import('../lib/npm.mjs');
const { productionLock, stage, writeJson } = await import('../lib/published.mjs');
const { billOfMaterials } = await import('../lib/sbom.mjs');
const { prune, pruneFolder } = await import('./prune.mjs');
const { bytesIn, MOST_BYTES_OF_DEPENDENCIES, settle } = await import('./files.mjs');

/** Where the programs are, in the image. */
const APP = 'app';
const PROGRAMS = 'usr/local/bin';
/** What the programs read; documents and declarations of types are for the package. */
const OF_THE_PACKAGE = [
  'package.json',
  'LICENSE',
  'bin',
  'lib',
  'contracts/inventory.schema.json',
  'examples/hanzo/kms.yaml',
];

const { positionals, values } = parseArgs({ allowPositionals: true, options: { lib: { type: 'string' } } });
const [target] = positionals;
if (!target) fail('which folder?', 'node tools/image/build.mjs <folder>');
if (process.platform !== 'linux') fail(`this makes a Linux image, and runs on ${process.platform}`, 'docker build .');

const image = resolve(target);
const app = join(image, APP);
const programs = join(image, PROGRAMS);
const work = `${image}.${process.pid}`;
const epoch = process.env.SOURCE_DATE_EPOCH ? Number(process.env.SOURCE_DATE_EPOCH) : undefined;
try {
  const node = realpathSync(await prepare());
  stage(work, values.lib && resolve(values.lib));
  writeJson(
    join(work, 'package-lock.json'),
    productionLock(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))),
  );
  cpSync(join(root, '.npmrc'), join(work, '.npmrc'));
  await npm(['ci'], work);
  const bill = await billOfMaterials(work, { epoch, more: [nodeComponent(node)] });

  for (const path of OF_THE_PACKAGE) cpSync(join(work, path), join(app, path), { recursive: true });
  cpSync(join(work, 'node_modules'), join(app, 'node_modules'), { recursive: true, verbatimSymlinks: true });
  prune(join(app, 'node_modules'));
  pruneFolder(join(app, 'lib'));
  writeJson(join(app, 'sbom.cdx.json'), bill);
  mkdirSync(programs, { recursive: true });
  cpSync(node, join(programs, 'node'));
  cpSync(join(root, 'tools/image/health.mjs'), join(app, 'bin/health.js'));
  for (const [name, path] of Object.entries(programsOf(JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'))))) {
    startByNode(join(app, path));
    symlinkSync(`/${APP}/${path}`, join(programs, name));
  }
  settle(image, epoch);
  report();
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** @param {{ bin: Record<string, string> }} manifest */
function programsOf({ bin }) {
  return { ...bin, 'kms-health': 'bin/health.js' };
}

/**
 * There is no `env` in the image, so the kernel starts Node itself; it passes one option on. Variables are the Dockerfile's.
 *
 * @param {string} path
 */
function startByNode(path) {
  const [first = '', ...rest] = readFileSync(path, 'utf8').split('\n');
  const [, option = ''] =
    /^#!.* node( --\S+)?$/.exec(first) ??
    fail(`${path} begins with ${first}`, 'begin with node and at most one option');
  writeFileSync(path, [`#!/${PROGRAMS}/node${option}`, ...rest].join('\n'));
  chmodSync(path, 0o755);
}

/** Node as the lockfile has it, for the bill of materials. @param {string} node */
function nodeComponent(node) {
  const { name, version } = JSON.parse(readFileSync(join(node, '../../package.json'), 'utf8'));
  const { integrity } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages[
    `node_modules/${name}`
  ];
  return {
    'bom-ref': `${name}@${version}`,
    type: 'platform',
    name,
    version,
    purl: `pkg:npm/${name}@${version}`,
    hashes: [{ alg: 'SHA-512', content: Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex') }],
    licenses: [{ license: { id: 'MIT' } }],
  };
}

function report() {
  const sizes = {
    node: bytesIn(join(programs, 'node')),
    dependencies: bytesIn(join(app, 'node_modules')),
    kms: bytesIn(app) - bytesIn(join(app, 'node_modules')),
  };
  for (const [part, bytes] of Object.entries(sizes))
    console.log(`${part.padEnd(12)} ${(bytes / 1e6).toFixed(1).padStart(6)} MB`);
  if (sizes.dependencies > MOST_BYTES_OF_DEPENDENCIES)
    fail(
      'the production dependencies take more than 80 MB',
      'see what came in: du -a app/node_modules | sort -n | tail',
    );
}
