// `npm run cluster`: a real Kubernetes control plane for the tests and for trying things out.
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare } = await import('./lib/prepare.mjs');
const { launch } = await import('./lib/launch.mjs');

await launch(await prepare(), ['tools/cluster/main.ts', ...process.argv.slice(2)]);
