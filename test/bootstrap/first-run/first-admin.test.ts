import { expect, test } from 'vitest';
import { firstAdmin } from '../../../bootstrap/first-run/first-run.ts';
import { parseInventory } from '../../../bootstrap/inventory/load.ts';

test.each([
  {
    name: 'the first that is named',
    text: '[{ slug: a }, { slug: b, name: B, admins: [x@y.z] }]',
    email: undefined,
    first: ['x@y.z', 'B', 'b'],
  },
  {
    name: 'the one asked for, in their organization',
    text: '[{ slug: a, admins: [x@y.z] }, { slug: b, admins: [q@y.z] }]',
    email: 'Q@y.z',
    first: ['q@y.z', 'b', 'b'],
  },
])('the first admin is $name', ({ text, email, first }) => {
  const inventory = parseInventory(`version: 1\norganizations: ${text}\n`, 'kms.yaml');
  expect(Object.values(firstAdmin(inventory, email))).toEqual(first);
});

test('an inventory without admins has no first admin', () => {
  const inventory = parseInventory('version: 1\norganizations: [{ slug: a }]\n', 'kms.yaml');
  expect(() => firstAdmin(inventory)).toThrow('nobody is named as admin');
});
