import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { Environment, readConfig } from '../../server/config.ts';
import { newSecrets } from '../server/process/server-process.ts';

/** docs/configuration.md is what people configure by: its table and the schema say the same, both ways. */

const guide = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
const rows = [...guide.matchAll(/^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$/gm)].map(([, name, otherwise, use]) => ({
  name: name!,
  otherwise: otherwise!,
  use: use!,
}));
const needed = newSecrets();

test('the table lists the variables of the schema, in its order', () => {
  expect(rows.map(({ name }) => name)).toEqual(Object.keys(Environment.shape));
});

test('a variable is needed exactly where the table says so', () => {
  const missing = Environment.safeParse({}).error?.issues.map(({ path }) => path[0]);
  expect(rows.filter(({ otherwise }) => otherwise === '- needed').map(({ name }) => name)).toEqual(missing);
});

test.each(rows.filter(({ otherwise }) => otherwise !== '- needed'))('$name defaults to $otherwise', (row) => {
  const value = readConfig(needed)[row.name as keyof typeof Environment.shape];
  const [, literal] = /^`(.*)`$/.exec(row.otherwise) ?? [];
  expect(value === undefined ? undefined : String(value)).toBe(literal);
});

test('the table names every level of the log', () => {
  const levels = Environment.shape.LOG_LEVEL.unwrap().options;
  const use = rows.find(({ name }) => name === 'LOG_LEVEL')!.use;
  expect([...use.matchAll(/`(\w+)`/g)].map(([, level]) => level)).toEqual(levels);
});
