// `npm run test:cluster`: the operator, the CRD and the manifests on a real control plane, whose programs are built once.
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare } = await import('./lib/prepare.mjs');
const { launch, run } = await import('./lib/launch.mjs');

const node = await prepare();
const built = await run(node, ['tools/cluster/main.ts', 'build']);
if (built !== 0) process.exit(built);
await launch(node, [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config',
  'test/cluster/vitest.config.ts',
  ...process.argv.slice(2),
]);
