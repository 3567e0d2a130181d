import { createRequire } from 'node:module';

/**
 * Node's HTTP, asked for in the old way. An `import` of `node:http` reads all that the module could give, which loads Node's
 * own client for `fetch` and WebSockets: 13 MB and 16 ms at each start for what this server never uses.
 */
const require = createRequire(import.meta.url);
export const http: typeof import('node:http') = require('node:http');
export const https: typeof import('node:https') = require('node:https');
