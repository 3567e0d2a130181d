// `npm start`: everything a fresh clone needs, then the local trial. Runs on Node 20 with nothing installed.
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare } = await import('./lib/prepare.mjs');
const { launch } = await import('./lib/launch.mjs');

await launch(await prepare(), ['bootstrap/trial.ts', ...process.argv.slice(2)]);
