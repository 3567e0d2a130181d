import fc from 'fast-check';
import picomatch from 'picomatch';
import { describe, expect, test } from 'vitest';
import { BadGlob, Glob } from '../../../../server/access/glob.ts';
import { compileAll, rightsOf } from '../../../../server/access/permissions.ts';
import { matches } from './naive.ts';

test.each<[glob: string, text: string, expected: boolean]>([
  ['/**', '/', true],
  ['/**', '/a/b', true],
  ['**', '/a', true],
  ['/a/**', '/a', true],
  ['/a/**', '/a/b/c', true],
  ['/a/**', '/ab', false],
  ['/a/*', '/a', false],
  ['/a/*', '/a/b', true],
  ['/a/*', '/a/b/c', false],
  ['/*', '/', false],
  ['/a*', '/a', true],
  ['/**/db', '/db', true],
  ['/**/db', '/a/b/db', true],
  ['/a/**/z', '/a/z', true],
  ['/a/', '/a', true],
  ['/{a,b}/c', '/b/c', true],
  ['/{a,b}/c', '/c', false],
  ['A?', 'AB', true],
  ['A?', 'A', false],
  ['[A-C]*', 'BX', true],
  ['[!A-C]*', 'BX', false],
  ['[^A-C]*', 'DX', true],
  ['*', '.hidden', true],
  ['api*', 'API', false],
])('%s on %s: %s', (glob, text, expected) => {
  expect(new Glob(glob).test(text)).toBe(expected);
  expect(matches(glob, text)).toBe(expected);
});

test.each([
  '',
  '!(a)',
  '+(a|b)',
  '(a)',
  'a\\*',
  '{a,b',
  'a}',
  '{a,{b,c}}',
  '{1..3}',
  '[a',
  '[]',
  '[z-a]',
  'a'.repeat(257),
])('"%s" is no glob of rules', (glob) => expect(() => new Glob(glob)).toThrow(BadGlob));

test('keys are matched as picomatch matches them', () => {
  const piece = fc.constantFrom('A', 'B', '_', '*', '?', '[AB]', '{A,B_}');
  const text = fc.string({ unit: fc.constantFrom('A', 'B', '_', 'C'), minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), text, (pieces, name) => {
      const glob = pieces.join('').replace(/\*+/g, '*');
      expect(new Glob(glob).test(name)).toBe(picomatch.isMatch(name, glob, { dot: true }));
    }),
    { numRuns: 3_000 },
  );
});

test('a glob made to be slow is not', () => {
  const started = performance.now();
  const key = `${'a'.repeat(254)}b`;
  for (const glob of [
    `${'*a'.repeat(100)}*c`,
    `${'?*'.repeat(100)}c`,
    `${'*'.repeat(200)}c`,
    `${'[a]*'.repeat(60)}c`,
  ]) {
    expect(new Glob(glob).test(key)).toBe(false);
  }
  const path = '/a'.repeat(32);
  expect(new Glob(`${'/**/a'.repeat(40)}/c`).test(path)).toBe(false);
  // A backtracking matcher would not come back at all; this is about the order of size and no measure of speed.
  expect(performance.now() - started).toBeLessThan(5_000);
});

describe('of two globs', () => {
  const texts = ['/', '/a', '/b', '/a/b', '/a/b/c', '/ab', '/b/a', '/c/b/a', '/ac'];
  const piece = fc.constantFrom('/a', '/b', '/*', '/**', '/a*', '/?', '/{a,b}', '/[ab]', '/*b');
  const glob = fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join(''));

  test('one that covers the other matches all that it does', () => {
    let covered = 0;
    fc.assert(
      fc.property(glob, glob, (one, other) => {
        if (!new Glob(one).covers(new Glob(other))) return;
        covered++;
        for (const text of texts)
          if (matches(other, text)) expect([one, other, text, matches(one, text)]).toContain(true);
      }),
      { numRuns: 5_000 },
    );
    expect(covered).toBeGreaterThan(100);
  });

  test('two that are apart match nothing together', () => {
    let apart = 0;
    fc.assert(
      fc.property(glob, glob, (one, other) => {
        if (!new Glob(one).apartFrom(new Glob(other))) return;
        apart++;
        for (const text of texts)
          expect([one, other, text, matches(one, text) && matches(other, text)]).toContain(false);
      }),
      { numRuns: 5_000 },
    );
    expect(apart).toBeGreaterThan(100);
  });
});

test('two globs of an environment are never apart: production is prod', () => {
  const rule = { subject: 'secrets', action: ['edit'] };
  const on = ($glob: string, inverted = false) => ({ ...rule, conditions: { environment: { $glob } }, inverted });
  const held = rightsOf('custom:alias@*', () => ({ slug: 'r', rules: compileAll([rule, on('production*', true)]) }))!;
  expect(held.may('edit', 'secrets', { environment: 'prod' })).toBe(false);
  expect(held.beyond(compileAll([on('p?od')]))).toBeDefined();
});
