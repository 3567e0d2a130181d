// `npm run test:clients`: published clients of other languages against the product. `-- --all` takes those too that build for minutes.
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare } = await import('./lib/prepare.mjs');
const { launch } = await import('./lib/launch.mjs');

const args = process.argv.slice(2).filter((arg) => arg !== '--all');
if (args.length < process.argv.length - 2) process.env.KMS_CLIENTS_ALL = '1';
await launch(await prepare(), [
  'node_modules/vitest/vitest.mjs',
  'run',
  '--config',
  'test/clients-other/vitest.config.ts',
  ...args,
]);
