import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findReach } from '../../../bootstrap/commands/connection.ts';
import { loginsFile, writeLogins } from '../../../bootstrap/logins/logins.ts';
import { findRepository } from '../../../bootstrap/logins/repository-file.ts';

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
    expect((await findReach(home(), nowhere(), 'https://kms.test/')).credentials).toEqual({ token: 'of-ada' });
    expect((await findReach({ ...home(), KMS_URL: 'https://evil.test' }, nowhere())).credentials).toBeUndefined();
    await expect(findReach(home(), nowhere(), 'https://evil.test')).rejects.toThrow(/not logged in/);
    await expect(findReach(home(), nowhere(), 'http://kms.test')).rejects.toThrow(/not logged in/);
  });

  test('logins that others can read are not trusted', async () => {
    await chmod(loginsFile(home()), 0o644);
    await expect(findReach(home(), nowhere(), 'https://kms.test')).rejects.toThrow(/not yours alone/);
  });
});
