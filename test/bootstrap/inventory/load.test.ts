import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { loadInventory, parseInventory } from '../../../bootstrap/inventory/load.ts';
import { InventoryRefused } from '../../../bootstrap/inventory/problem.ts';

const folder = await mkdtemp(join(tmpdir(), 'kms-inventory-'));
afterAll(() => rm(folder, { recursive: true }));

function problemsOf(source: string | Uint8Array): readonly string[] {
  try {
    parseInventory(source, 'kms.yaml');
    return [];
  } catch (error) {
    if (error instanceof InventoryRefused) return error.problems;
    throw error;
  }
}

const HEAD = 'version: 1\norganizations:\n  - slug: hanzo\n';
/** A project called zen with two environments and these lines below it, from line 7 on. */
const inProject = (lines: string) =>
  `${HEAD}    projects:\n      - slug: zen\n        environments: [dev, prod]\n${lines}`;
/** An identity with these lines below it, from line 7 on. */
const inIdentity = (lines: string) =>
  `${HEAD}    projects: [{ slug: zen }]\n    identities:\n      - name: zen-service\n${lines}`;

test.each([
  {
    name: 'an unknown key, with a guess',
    source: `${HEAD}    identites: []\n`,
    says: ['kms.yaml:4:5: unknown key "identites"; did you mean "identities"?'],
  },
  {
    name: 'an unknown key far from any',
    source: `${HEAD}    colour: red\n`,
    says: ['kms.yaml:4:5: unknown key "colour"; known here: slug, name, admins, projects, identities'],
  },
  {
    name: 'a missing key, at what lacks it',
    source: 'version: 1\norganizations:\n  - name: Hanzo\n',
    says: ['kms.yaml:3:5: "slug" is missing'],
  },
  {
    name: 'a bad slug',
    source: 'version: 1\norganizations: [{ slug: Hanzo_AI }]\n',
    says: ['kms.yaml:2:25: a slug is made of lower-case letters, digits and single hyphens between them'],
  },
  {
    name: 'a slug that YAML reads as a number',
    source: 'version: 1\norganizations: [{ slug: 27 }]\n',
    says: ['kms.yaml:2:25: expected text, found a number; put it in quotes'],
  },
  { name: 'another version', source: `version: 2\n${HEAD.slice(11)}`, says: ['kms.yaml:1:10: expected 1'] },
  {
    name: 'an empty list of organizations',
    source: 'version: 1\norganizations: []\n',
    says: ['kms.yaml:2:16: Too small: expected array to have >=1 items'],
  },
  {
    name: 'an organization declared twice',
    source: `${HEAD}  - slug: hanzo\n`,
    says: ['kms.yaml:4:5: organization "hanzo" is declared twice'],
  },
  {
    name: 'an admin listed twice in other letters',
    source: `${HEAD}    admins: [z@hanzo.ai, Z@Hanzo.ai]\n`,
    says: ['kms.yaml:4:26: admin z@hanzo.ai is listed twice'],
  },
  {
    name: 'an alias beside its environment',
    source: `${HEAD}    projects: [{ slug: zen, environments: [dev, prod, production] }]\n`,
    says: ['kms.yaml:4:55: environment "production" is an alias of "prod", which is listed too'],
  },
  {
    name: 'an environment before its alias, by name',
    source: `${HEAD}    projects: [{ slug: zen, environments: [production, { slug: prod }] }]\n`,
    says: ['kms.yaml:4:56: environment "production" is an alias of "prod", which is listed too'],
  },
  {
    name: 'a value in the file',
    source: inProject('        secrets:\n          KEY: { kind: api-key, value: hunter2 }\n'),
    says: [
      'kms.yaml:8:33: "value": this file declares secrets by name and kind, never by value; set the value with `kms secrets set`',
    ],
  },
  {
    name: 'a mistyped kind',
    source: inProject('        secrets: { KEY: databse-password }\n'),
    says: ['kms.yaml:7:25: not a kind of secret; did you mean "database-password"?'],
  },
  {
    name: 'an environment of a secret that the project lacks',
    source: inProject('        secrets: { KEY: { kind: value, environments: [staging] } }\n'),
    says: ['kms.yaml:7:55: project "zen" has no environment "staging": it has dev, prod'],
  },
  {
    name: 'a key name that no secret can have',
    source: inProject('        secrets: { "a/b": value }\n'),
    says: ['kms.yaml:7:20: a key name holds no "/" and no ":"'],
  },
  {
    name: 'an identity of a project that is not there',
    source: inIdentity('        projects: [{ project: zne, role: viewer }]\n'),
    says: ['kms.yaml:7:31: project "zne" is not declared in this organization; did you mean "zen"?'],
  },
  {
    name: 'an identity of an environment that is not there',
    source: inIdentity('        projects: [{ project: zen, role: viewer, environments: [prdo] }]\n'),
    says: ['kms.yaml:7:65: project "zen" has no environment "prdo"; did you mean "prod"?'],
  },
  {
    name: 'a mistyped role',
    source: inIdentity('        projects: [{ project: zen, role: veiwer }]\n'),
    says: ['kms.yaml:7:42: expected one of admin, developer, ci, viewer, no-access, member; did you mean "viewer"?'],
  },
  {
    name: 'a key that is there twice',
    source: `${HEAD}    slug: lux\n`,
    says: ['kms.yaml:4:5: this key is there twice'],
  },
  {
    name: 'a second document',
    source: `${HEAD}---\nversion: 1\n`,
    says: ['kms.yaml:4:1: a second document starts here; an inventory is one document'],
  },
  {
    name: 'an alias, and its anchor',
    source: `${HEAD}    name: &n Hanzo\n  - { slug: lux, name: *n }\n`,
    says: [
      'kms.yaml:4:14: an anchor (&) has no use here; write things out',
      'kms.yaml:5:24: an alias (*) hides what it stands for; write it out',
    ],
  },
  {
    name: 'a tag',
    source: `${HEAD}    name: !!binary aGk=\n`,
    says: ['kms.yaml:4:20: a tag (!) has no use here; write plain text, lists and maps'],
  },
  {
    name: '__proto__ as a key',
    source: inProject('        secrets: { __proto__: value }\n'),
    says: ['kms.yaml:7:20: a key cannot be called "__proto__"'],
  },
  { name: 'an empty file', source: '', says: ['kms.yaml:1:1: the file is empty'] },
  { name: 'a NUL', source: 'version: 1\u0000', says: ['kms.yaml: holds a NUL character; it is not a YAML text'] },
  { name: 'bytes that are not UTF-8', source: Uint8Array.of(0x76, 0xff, 0xfe), says: ['kms.yaml: is not valid UTF-8'] },
  {
    name: 'a hundred thousand brackets',
    source: '['.repeat(100_000),
    says: ['kms.yaml: is nested too deeply to be an inventory'],
  },
  {
    name: 'more than 4 MiB',
    source: new Uint8Array(4 * 1024 * 1024 + 1).fill(0x20),
    says: ['kms.yaml: is larger than 4 MiB; that is not an inventory'],
  },
])('the loader refuses $name', ({ source, says }) => {
  expect(problemsOf(source)).toEqual(says);
});

test('all problems are said at once, in the order of the file', () => {
  const source = inProject(`        secrets: { A: apikey, B: { kind: value, length: 20 } }
      - slug: zen
    identities: [{ name: x, projects: [{ project: none, role: viewer }] }, { name: x }]
`);
  const places = problemsOf(source).map((problem) => problem.split(': ')[0]);
  expect(places).toEqual(['kms.yaml:7:23', 'kms.yaml:7:57', 'kms.yaml:8:9', 'kms.yaml:9:51', 'kms.yaml:9:76']);
});

test.each([
  ['as the kind', '        secrets: { KEY: sk-live-51hunter2 }\n'],
  ['as a value', '        secrets: { KEY: { kind: api-key, value: sk-live-51hunter2 } }\n'],
  ['under a made-up field', '        secrets: { KEY: { kind: api-key, literal: sk-live-51hunter2 } }\n'],
  ['behind broken syntax', '        secrets: { KEY: "sk-live-51hunter2" "sk-live-51hunter2" ]\n'],
  ['as an alphabet', '        secrets: { KEY: { kind: encryption-key, alphabet: sk-live-51hunter2 } }\n'],
])('a value written %s is refused and not repeated', (_name, lines) => {
  const problems = problemsOf(inProject(lines));
  expect(problems.length).toBeGreaterThan(0);
  expect(problems.join('\n')).not.toContain('hunter2');
});

test.each([
  ['a file that is not there', 'none.yaml', 'there is no such file'],
  ['a folder', '.', 'is a folder'],
])('the loader names %s', async (_name, file, says) => {
  await expect(loadInventory(join(folder, file))).rejects.toThrow(says);
});

test('no text makes the loader throw anything but refusals', async () => {
  const word = fc.constantFrom(
    'version: 1',
    'organizations:',
    '  - slug: a',
    '- ',
    '{',
    '[',
    '}',
    ']',
    '&a ',
    '*a',
    '!!x ',
    '"',
    '|\n',
    '? ',
    ': ',
    '\n',
    '\t',
    '#',
    '<<: ',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(word).map((words) => words.join('')),
  );
  fc.assert(
    fc.property(text, (source) => void problemsOf(source)),
    { numRuns: 300 },
  );
});

test('the Hanzo inventory has exactly the counts of HIP-27', async () => {
  const { organizations } = await loadInventory(join(import.meta.dirname, '../../../examples/hanzo/kms.yaml'));
  const hanzo = organizations[0];
  expect(organizations.map(({ slug, admins }) => [slug, ...admins])).toEqual(
    ['hanzo', 'lux', 'zoo', 'pars'].map((slug) => [slug, 'z@hanzo.ai']),
  );
  expect(
    Object.fromEntries((hanzo?.projects ?? []).map(({ slug, secrets }) => [slug, Object.keys(secrets).length])),
  ).toEqual({
    'hanzo-iam': 23,
    gateway: 12,
    chat: 8,
    cloud: 15,
    console: 10,
    commerce: 8,
    platform: 14,
    bootnode: 6,
    flow: 9,
    zen: 7,
  });
  for (const { slug, environments, secrets } of hanzo?.projects ?? []) {
    expect(environments.map((environment) => environment.slug)).toEqual(['dev', 'staging', 'prod']);
    expect(Object.values(secrets).filter((secret) => secret.environments || secret.path !== '/')).toEqual([]);
    const service = hanzo?.identities.find(({ name }) => name === `${slug.replace('hanzo-', '')}-service`);
    expect(service).toMatchObject({
      role: 'no-access',
      projects: [{ project: slug, role: 'viewer', environments: ['prod'] }],
    });
  }
  expect(hanzo?.identities.find(({ name }) => name === 'ci')?.projects.map(({ role }) => role)).toEqual(
    Array(10).fill('ci'),
  );
});

test('a loaded file is the same as its text', async () => {
  const file = join(folder, 'kms.yaml');
  await writeFile(file, inProject('        secrets: { KEY: value }\n'));
  expect(await loadInventory(file)).toEqual(parseInventory(inProject('        secrets: { KEY: value }\n'), file));
});
