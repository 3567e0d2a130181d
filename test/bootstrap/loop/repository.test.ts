import { execFileSync } from 'node:child_process';
import { chmod, lchown, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { loginsFile, writeLogins } from '../../../bootstrap/logins/logins.ts';
import { findReach } from '../../../bootstrap/logins/reach.ts';
import { findRepository, parsePlain } from '../../../bootstrap/logins/repository-file.ts';
import { pathProblem, slugProblem } from '../../../contracts/name-rules.ts';
import { FolderPath, Slug } from '../../../contracts/names.ts';
import { RepositoryFile } from '../../../contracts/repository.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-repository-'));
  await mkdir(join(folder, 'a/b'), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));

describe('.kms.yaml', () => {
  test('the nearest one above is read, aliases resolved', async () => {
    const file = join(folder, '.kms.yaml');
    await writeFile(file, 'project: gateway\nenv: production\npath: /db/\n');
    expect(await findRepository(join(folder, 'a/b'))).toEqual({ project: 'gateway', env: 'prod', path: '/db', file });
  });

  test.each([
    { name: 'a credential', text: 'token: abc', says: /"token"/ },
    { name: 'a password in the address', text: 'url: https://ada:pw@kms.test', says: /url: .*without a name/ },
    { name: 'an address of another kind', text: 'url: file:///etc', says: /url: / },
    { name: 'no YAML', text: 'project: [', says: /no YAML/ },
    { name: 'no slug', text: 'project: Not A Slug', says: /project: a slug/ },
  ])('$name is refused', async ({ text, says }) => {
    await writeFile(join(folder, 'a/.kms.yaml'), text);
    await expect(findRepository(join(folder, 'a/b'))).rejects.toThrow(says);
    await rm(join(folder, 'a/.kms.yaml'));
  });
});

describe('.kms.yaml that somebody else has put there', () => {
  const file = () => join(folder, 'a/.kms.yaml');
  afterEach(() => rm(file(), { force: true }));

  test('keeps nobody waiting by being a pipe', async () => {
    execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', file()]);
    await expect(findRepository(join(folder, 'a/b'))).rejects.toThrow(/it is no file/);
  });

  test.runIf(process.geteuid?.() === 0)('is not trusted, nor is a link of theirs to a file of mine', async () => {
    const mine = join(folder, 'mine.yaml');
    await writeFile(mine, 'project: billing\nenv: prod\n');
    await symlink(mine, file());
    await lchown(file(), 4242, 4242);
    await expect(findRepository(join(folder, 'a/b'))).rejects.toThrow('another user (4242)');
    await rm(file());
    await symlink(mine, file());
    expect(await findRepository(join(folder, 'a/b'))).toMatchObject({ project: 'billing' });
  });
});

describe('what is read without a parser', () => {
  const word = fc.constantFrom(
    ...[
      'gateway',
      'production',
      'dev',
      'true',
      'null',
      'a-b',
      'A',
      '1e3',
      '0x1',
      '/',
      '/db/',
      '/a//b',
      'b:',
      "'x'",
      '~',
      '.inf',
      '-',
      '#',
    ],
    ...[
      'https://kms.test',
      'https://kms.test:8443/kms/',
      'http://a@kms.test',
      'https://kms.test:',
      'ftp://kms.test',
      'x'.repeat(65),
    ],
  );
  const line = fc.oneof(
    fc
      .tuple(
        fc.constantFrom('url', 'org', 'project', 'env', 'path', 'token'),
        fc.constantFrom(': ', ':  ', ':'),
        word,
        fc.constantFrom('', ' # why', '#', '\r'),
      )
      .map((parts) => parts.join('')),
    fc.constantFrom('', '# a comment', '---', '  env: dev'),
  );

  test('is what the parser and the schema say', () => {
    let read = 0;
    const lines = fc.array(line, { maxLength: 3 });
    fc.assert(
      fc.property(lines, (text) => {
        const plain = parsePlain(text.join('\n'));
        if (!plain) return;
        read++;
        expect(plain).toEqual(RepositoryFile.parse(parseYaml(text.join('\n')) ?? {}));
      }),
      { numRuns: 500 },
    );
    expect(read).toBeGreaterThan(20);
  });

  test.each(['project: gateway\nenv: production\npath: /db/\n', 'url: https://kms.test:8443 # here\norg: hanzo\n'])(
    'is the usual form: %j',
    (text) => {
      expect(parsePlain(text)).toEqual(RepositoryFile.parse(parseYaml(text)));
    },
  );
});

describe('rules of names without zod', () => {
  test('refuse what the schemas refuse, with the same words', () => {
    const samples = fc.oneof(
      fc.string({ maxLength: 70 }),
      fc.stringMatching(/^[a-z0-9-]{1,66}$/),
      fc.stringMatching(/^(\/[a-zA-Z_.-]{0,3}){0,40}\/?$/),
    );
    fc.assert(
      fc.property(samples, (text) => {
        expect(slugProblem(text)).toBe(Slug.safeParse(text).error?.issues[0]?.message);
        expect(pathProblem(text)).toBe(FolderPath.safeParse(text).error?.issues[0]?.message);
      }),
    );
  });
});

describe('where credentials go', () => {
  const nowhere = () => join(folder, 'no-trial');
  const home = () => ({ XDG_CONFIG_HOME: join(folder, 'config') });
  const login = { email: 'ada@example.com', organization: 'hanzo', token: 'of-ada', at: '2026-01-01T00:00:00.000Z' };

  test('none of the environment goes to an address that a file names', async () => {
    const environment = { ...home(), KMS_TOKEN: 'of-the-environment' };
    const asked = findReach(environment, nowhere(), 'https://evil.test');
    await expect(asked).rejects.toMatchObject({ hint: expect.stringContaining('set KMS_URL') });
  });

  test('a login goes to the address where it was made, and to no other', async () => {
    await writeLogins(loginsFile(home()), { current: 'https://kms.test', logins: { 'https://kms.test': login } });
    expect((await findReach(home(), nowhere(), 'https://kms.test/')).credentials).toMatchObject({ token: 'of-ada' });
    expect((await findReach({ ...home(), KMS_URL: 'https://evil.test' }, nowhere())).credentials).toBeUndefined();
    await expect(findReach(home(), nowhere(), 'https://evil.test')).rejects.toThrow(/not logged in/);
    await expect(findReach(home(), nowhere(), 'http://kms.test')).rejects.toThrow(/not logged in/);
  });

  test('logins that others can read are not trusted', async () => {
    await chmod(loginsFile(home()), 0o644);
    await expect(findReach(home(), nowhere(), 'https://kms.test')).rejects.toThrow(/not yours alone/);
  });
});
