// `npm test`: everything a fresh clone needs, then every test, or those named. Runs on Node 20 with nothing installed.
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare } = await import('./lib/prepare.mjs');
const { launch } = await import('./lib/launch.mjs');

await launch(await prepare(), ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)]);
