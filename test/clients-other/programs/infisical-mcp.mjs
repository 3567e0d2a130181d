// Infisical's MCP server, `@infisical/mcp`, asked by a client of our own: `node infisical-mcp.mjs PACKAGE`. One line a step.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const { KMS_URL, KMS_PROJECT_ID: projectId, KMS_CLIENT_ID, KMS_CLIENT_SECRET, PATH } = process.env;
const main = join(
  dirname(createRequire(`${process.cwd()}/`).resolve(`${process.argv[2]}/package.json`)),
  'dist/index.js',
);
const env = {
  ...{ PATH, INFISICAL_HOST_URL: KMS_URL, INFISICAL_AUTH_METHOD: 'universal-auth' },
  ...{ INFISICAL_UNIVERSAL_AUTH_CLIENT_ID: KMS_CLIENT_ID, INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET: KMS_CLIENT_SECRET },
};
const server = spawn(process.execPath, [main], { env, stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = new Map();
createInterface({ input: server.stdout }).on('line', (line) => {
  const answer = JSON.parse(line);
  waiting.get(answer.id)?.(answer);
});
let last = 0;
const ask = (method, params) =>
  new Promise((resolve) => {
    waiting.set(++last, resolve);
    server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: last, method, params })}\n`);
  });

async function tool(name, given, wanted) {
  const { result, error } = await ask('tools/call', { name, arguments: given });
  const text = result?.content?.map((part) => part.text).join('\n') ?? JSON.stringify(error);
  console.log(!result?.isError && !/^Error/.test(text) && wanted.test(text) ? `ok ${name}` : `not ok ${name}: ${text}`);
}

await ask('initialize', {
  protocolVersion: '2025-03-26',
  capabilities: {},
  clientInfo: { name: 'test', version: '1' },
});
server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })}\n`);
const at = { projectId, environmentSlug: 'dev', secretPath: '/' };
await tool('create-secret', { ...at, secretName: 'MCP', secretValue: 'first' }, /MCP/);
await tool('get-secret', { ...at, secretName: 'MCP' }, /first/);
await tool('update-secret', { ...at, secretName: 'MCP', secretValue: 'second' }, /second/);
await tool('list-secrets', { ...at, expandSecretReferences: true, includeImports: true }, /second/);
await tool('delete-secret', { ...at, secretName: 'MCP' }, /MCP/);
await tool('create-folder', { projectId, environment: 'dev', name: 'mcp', path: '/' }, /mcp/);
await tool('create-environment', { projectId, name: 'Mcp', slug: 'mcp', position: 4 }, /mcp/);
await tool('create-project', { projectName: 'Made by MCP', type: 'secret-manager', description: 'x' }, /Made by MCP/);
await tool('list-projects', { type: 'all' }, new RegExp(projectId));
server.kill();
