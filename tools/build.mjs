// `npm run build`: compiles what the package publishes into lib, the same bytes every time. Argument: another folder.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare, root } = await import('./lib/prepare.mjs');

const output = resolve(process.argv[2] ?? join(root, 'lib'));
// Beside its place and moved there whole: a failed build leaves the last good one, and no file of a removed source stays.
const partial = `${output}.${process.pid}`;

const node = await prepare();
const compiler = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(node, [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', partial], {
  stdio: 'inherit',
});
if (status === 0) {
  for (const file of readdirSync(join(root, 'server'), { recursive: true, encoding: 'utf8' })) {
    // The compiler takes TypeScript alone; the migrations are read at run time from beside their reader.
    if (file.endsWith('.sql')) cpSync(join(root, 'server', file), join(partial, 'server', file));
  }
  rmSync(output, { recursive: true, force: true });
  renameSync(partial, output);
} else {
  rmSync(partial, { recursive: true, force: true });
  process.exitCode = 1;
}
