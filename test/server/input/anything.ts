import fc from 'fast-check';
import type { Route, Schema } from './routes.ts';
import { rightValue, type World } from './world.ts';

/** One request to a route: some parts right, some odd. Everything is text that can be put into a URL as it is. */
export interface Request {
  readonly params: Readonly<Record<string, string>>;
  readonly query: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** Texts that have broken servers: of paths, of numbers, of dates, of addresses, of prototypes, of encodings. */
const TEXTS = [
  ...[
    '',
    ' ',
    '/',
    '//',
    '/..',
    '/../..',
    '..%2f',
    '/a/',
    '/a//b',
    '\\',
    '.',
    'a/b',
    'a:b',
    '/'.repeat(2000),
    'a'.repeat(5000),
  ],
  ...[
    '-1',
    '0',
    '1e309',
    'NaN',
    'Infinity',
    '0x10',
    '9007199254740993',
    '2147483648',
    '1.5',
    'null',
    'undefined',
    'true',
  ],
  ...[
    '0000-00-00',
    '0000-01-01',
    '99999',
    '9999-12-31',
    '+275760-09-13',
    '2025-02-30',
    '2025-01-01T00:00:00+23:59',
    '12024-01-01',
  ],
  ...[
    '999.1.1.1',
    '1.2.3.4/33',
    '::/129',
    '::1%eth0',
    '0.0.0.0/00',
    '::ffff:1.2.3.4/96',
    '1.2.3',
    '[::1]',
    '10.1.2.3/8',
  ],
  ...['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'production', 'prod', 'batch', 'root'],
  ...[
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\udc00x',
    '\ufeff',
    '\u2028',
    '\u202e',
    'İ',
    'ß',
    '語'.repeat(300),
    '🔑'.repeat(200),
  ],
  ...["'; drop table secrets; --", '$1', '%', '%%', '%s', '{}', '<script>', 'a\r\nx-header: 1', '*', '_', '\t'],
  ...[
    '99999d',
    '0s',
    '1h',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'st.',
    'Bearer x',
  ],
];

const NUMBERS = [0, -0, -1, 1.5, 2 ** 31, 2 ** 53 + 2, 1e308, -1e308, 315_360_000, 315_360_001, 10_001];

const oddText = fc.oneof(fc.constantFrom(...TEXTS), fc.string({ unit: 'binary', maxLength: 40 }));
const oddJson = fc.oneof(
  oddText,
  fc.constantFrom(...NUMBERS, null, true, [], {}, [[]], [null]),
  fc.jsonValue({ maxDepth: 3 }),
);

/** Requests to a route: each field is right most of the time, so that some get past validation and into the database. */
export function anything(route: Route, world: World): fc.Arbitrary<Request> {
  const inUrl = fc.oneof(
    oddText.filter((text) => text.isWellFormed()).map(encodeURIComponent),
    fc.constantFrom('%', '%zz', '%ff', '%2e%2e', '%00'),
  );
  const param = (name: string) =>
    mostly(
      fc.constant(encodeURIComponent(String(rightValue(world, name)))),
      inUrl.filter((text) => text !== ''),
    );
  const pair = (name: string, schema: Schema) =>
    fc.tuple(
      fc.constant(name),
      mostly(
        fieldOf(world, name, schema).map((value) => encodeURIComponent(wellFormed(value))),
        inUrl,
      ),
      fc.constantFrom(1, 1, 1, 1, 1, 1, 2, 0),
    );
  const pairs = Object.entries(route.query.properties ?? {}).map(([name, schema]) => pair(name, schema));
  return fc.record({
    params: fc.record(Object.fromEntries(route.params.map((name) => [name, param(name)]))),
    query: fc
      .tuple(...pairs)
      .map((given) => given.flatMap(([name, value, times]) => Array(times).fill(`${name}=${value}`)).join('&')),
    body: route.body === undefined ? fc.constant(undefined) : mostly(objectOf(world, route.body), oddJson),
    headers: fc.record(
      {
        'if-none-match': fc.constantFrom('*', '""', 'W/"x", "y"', ',,,'),
        'user-agent': fc.constantFrom('', 'k8-operator', '\u00ff\u0080', 'a'.repeat(4000)),
        'x-kms-proof': fc.constantFrom('v1.1.x.y', '', `v1.${'9'.repeat(12)}.${'A'.repeat(22)}.${'A'.repeat(43)}`),
      },
      { requiredKeys: [] },
    ),
  });
}

const wellFormed = (value: unknown) => String(value).toWellFormed();

function mostly<Right, Odd>(right: fc.Arbitrary<Right>, odd: fc.Arbitrary<Odd>): fc.Arbitrary<Right | Odd> {
  return fc.oneof({ weight: 9, arbitrary: right }, { weight: 1, arbitrary: odd });
}

function fieldOf(world: World, name: string, schema: Schema): fc.Arbitrary<unknown> {
  const right = rightValue(world, name);
  const shaped = ofSchema(world, schema);
  return right === undefined
    ? shaped
    : fc.oneof({ weight: 4, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: shaped });
}

function objectOf(world: World, { properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
  const fields = Object.entries(properties).map(([name, schema]) => [
    name,
    mostly(fieldOf(world, name, schema), oddJson),
  ]);
  return fc.record(Object.fromEntries(fields), { requiredKeys: [...required] as never });
}

function ofSchema(world: World, schema: Schema): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((one) => ofSchema(world, one)));
  const type = [schema.type ?? 'null'].flat()[0];
  if (type === 'object') return objectOf(world, schema);
  if (type === 'array') return fc.array(ofSchema(world, schema.items ?? {}), { maxLength: 3 });
  if (type === 'boolean') return fc.boolean();
  if (type === 'integer' || type === 'number') return fc.oneof(fc.integer(), fc.nat(1000), fc.constantFrom(...NUMBERS));
  return oddText;
}
