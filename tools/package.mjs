// `npm run package -- <folder>`: what is published. The tarballs of @hanzo/kms and of kms-bootstrap, and the bill of materials of the
// first. One commit gives the same bytes every time. `--lib <folder>` takes code that is compiled already.
import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fail, requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare, root } = await import('./lib/prepare.mjs');
const { npm } = await import('./lib/npm.mjs');
const { productionLock, readManifest, stage, writeJson } = await import('./lib/published.mjs');
const { billOfMaterials } = await import('./lib/sbom.mjs');

const { positionals, values } = parseArgs({ allowPositionals: true, options: { lib: { type: 'string' } } });
const [target] = positionals;
if (!target) fail('which folder?', 'npm run package -- <folder>');

const output = resolve(target);
const work = `${output}.${process.pid}`;
const { name, version } = readManifest();
try {
  await prepare();
  mkdirSync(output, { recursive: true });
  const kms = join(work, 'kms');
  stage(kms, values.lib && resolve(values.lib));
  const alias = join(work, 'kms-bootstrap');
  cpSync(join(root, 'packages/kms-bootstrap'), alias, { recursive: true });
  cpSync(join(root, 'LICENSE'), join(alias, 'LICENSE'));
  for (const folder of [kms, alias]) {
    const [made] = JSON.parse(await npm(['pack', '--json', `--pack-destination=${output}`], folder));
    console.log(`${made.filename}  ${made.entryCount} files, ${(made.size / 1e6).toFixed(1)} MB  ${made.integrity}`);
  }
  writeJson(
    join(kms, 'package-lock.json'),
    productionLock(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))),
  );
  const epoch = process.env.SOURCE_DATE_EPOCH ? Number(process.env.SOURCE_DATE_EPOCH) : undefined;
  const bill = await billOfMaterials(kms, { fromLockfile: true, epoch });
  const file = `${name.slice(1).replace('/', '-')}-${version}.cdx.json`;
  writeJson(join(output, file), bill);
  console.log(`${file}  ${bill.components.length} components`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
