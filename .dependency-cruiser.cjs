// The import table of docs/architecture.md, as a check: what a part may import besides itself and its libraries.
const may = {
  // Runs where no package is installed.
  action: [],
  contracts: [],
  keys: ['contracts'],
  sdk: ['contracts'],
  server: ['contracts', 'keys'],
  // `kms why` asks the cluster with the operator's client, and about what the operator did by the operator's own rules.
  bootstrap: ['contracts', 'sdk', 'keys', 'operator'],
  operator: ['contracts', 'sdk'],
  constructs: ['contracts'],
  stacks: ['contracts', 'constructs'],
};
const parts = Object.keys(may);
const libraries = {
  action: '^$',
  contracts: '^(zod)$',
  keys: '^(zod)$',
  sdk: '^(zod)$',
};

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    { name: 'not-resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...parts.map((part) => ({
      name: `${part}-imports-only-its-own`,
      comment: `${part}/ may import ${[part, ...may[part]].join(', ')}`,
      severity: 'error',
      from: { path: `^${part}/` },
      to: { path: `^(${parts.filter((p) => p !== part && !may[part].includes(p)).join('|')}|test|bench|tools|bin)/` },
    })),
    // The plugin names Fastify's types; nothing of it is loaded.
    ...Object.entries(libraries).map(([part, allowed]) => ({
      name: `${part}-libraries`,
      comment: `${part}/ stays importable anywhere: no other library than ${allowed}`,
      severity: 'error',
      from: { path: `^${part}/`, pathNot: '^sdk/fastify\\.ts$' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-peer', 'npm-optional'], pathNot: 'node_modules/zod/' },
    })),
    {
      name: 'traces-are-loaded-where-they-are-on',
      comment: 'a server without traces loads nothing of OpenTelemetry: import server/tracing/tracing.ts by import()',
      severity: 'error',
      from: { pathNot: '^(server/tracing|test)/' },
      to: {
        path: '^server/tracing/|node_modules/@opentelemetry/',
        dependencyTypesNot: ['type-only', 'dynamic-import'],
      },
    },
    {
      name: 'store-alone-speaks-sql',
      comment: 'services hold the rules and know no database driver; stores do',
      severity: 'error',
      from: { path: '^server/[^/]+/(service|routes)\\.ts$' },
      to: { path: 'node_modules/pg/' },
    },
    {
      name: 'service-knows-no-http',
      severity: 'error',
      from: { path: '^server/[^/]+/(service|store)\\.ts$' },
      to: { path: 'node_modules/(fastify|@fastify)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
};
