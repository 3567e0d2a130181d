// `npm run test:schemathesis`: requests made from the OpenAPI document, against a server of its own. Arguments go to Schemathesis.
import { requireNode } from './lib/node-version.mjs';

requireNode(process.versions.node);
const { prepare } = await import('./lib/prepare.mjs');
const { launch } = await import('./lib/launch.mjs');

await launch(await prepare(), ['test/schemathesis/run.ts', ...process.argv.slice(2)]);
