import { afterAll, beforeAll, expect, test } from 'vitest';
import { refuseTooLarge } from '../../../server/secrets/answer-size.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { query } from './world.ts';

let server: TestServer;
let at: { projectId: string };

beforeAll(async () => {
  server = await startServer();
  at = { projectId: (await server.project('trees')).id };
  await server.setSecrets(at.projectId, 'prod', { PASSWORD: 'p' });
  await server.setSecrets(at.projectId, 'dev', {
    HOST: 'db',
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: references
    URL: 'pg://${HOST}:${prod.PASSWORD}',
    SHOWN: 'use ${URL}',
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: references
  });
});
afterAll(() => server.close());

test('a secret shows the tree of what it refers to', async () => {
  const { tree, value } = await server.do('GET', `/api/v4/secrets/SHOWN/secret-reference-tree?${query(at)}`);
  const place = { ...at, environment: 'dev', secretPath: '/' };
  expect({ tree, value }).toEqual({
    value: 'use pg://db:p',
    tree: {
      ...{ key: 'root', value: 'use pg://db:p', ...place },
      children: [
        {
          ...{ key: 'URL', value: 'pg://db:p', ...place },
          children: [
            { key: 'HOST', value: 'db', ...place, children: [] },
            { key: 'PASSWORD', value: 'p', ...at, environment: 'prod', secretPath: '/', children: [] },
          ],
        },
      ],
    },
  });
});

test('a secret shows who refers to it, and who to those', async () => {
  const { tree } = await server.do(
    'GET',
    `/api/v4/secrets/PASSWORD/reference-dependency-tree?${query({ ...at, environment: 'prod' })}`,
  );
  const place = { environment: 'dev', secretPath: '/' };
  expect(tree).toEqual({
    ...{ key: 'PASSWORD', environment: 'prod', secretPath: '/' },
    children: [{ key: 'URL', ...place, children: [{ key: 'SHOWN', ...place, children: [] }] }],
  });
});

test('a tree shows nothing that its reader may not read', async () => {
  const developer = await server.machine('developer', { projectId: at.projectId, roles: [{ role: 'developer' }] });
  const get = (url: string) => server.send('GET', `/api/v4/secrets/${url}`, { token: developer.token });
  const tree = await get(`SHOWN/secret-reference-tree?${query(at)}`);
  expect([tree.status, tree.text.includes('pg://db:p')]).toEqual([403, false]);
  expect((await get(`PASSWORD/reference-dependency-tree?${query({ ...at, environment: 'prod' })}`)).status).toBe(403);
  const reader = await server.machine('reader', {
    projectId: at.projectId,
    roles: [{ role: 'viewer', environments: ['prod'] }],
  });
  const url = `/api/v4/secrets/PASSWORD/reference-dependency-tree?${query({ ...at, environment: 'prod' })}`;
  const answer = await server.send('GET', url, { token: reader.token });
  expect(answer.body.tree.children).toEqual([]);
});

test('a tree shows its names alone when values are not wanted', async () => {
  const url = `/api/v4/secrets/SHOWN/secret-reference-tree?${query(at)}&viewSecretValue=false`;
  const place = { ...at, environment: 'dev', secretPath: '/' };
  const answer = await server.send('GET', url, { token: server.admin });
  expect(answer.body).toEqual({
    tree: {
      ...{ key: 'root', ...place },
      children: [
        {
          ...{ key: 'URL', ...place },
          children: [
            { key: 'HOST', ...place, children: [] },
            { key: 'PASSWORD', ...at, environment: 'prod', secretPath: '/', children: [] },
          ],
        },
      ],
    },
  });
  // The two are kept apart in memory.
  const whole = await server.send('GET', url.replace('&viewSecretValue=false', ''), { token: server.admin });
  expect(whole.body.value).toBe('use pg://db:p');
});

test.each(['', '&viewSecretValue=false'])('a tree is refused to whoever may know the name alone%s', async (wish) => {
  const slug = `names-${wish.length}`;
  const permissions = [{ subject: 'secrets', action: ['describeSecret'] }];
  await server.do('POST', `/api/v1/projects/${at.projectId}/roles`, { body: { slug, name: slug, permissions } });
  const { token } = await server.machine(slug, { projectId: at.projectId, roles: [{ role: slug }] });
  for (const key of ['SHOWN', 'HOST']) {
    const answer = await server.send('GET', `/api/v4/secrets/${key}/secret-reference-tree?${query(at)}${wish}`, {
      token,
    });
    expect([answer.status, answer.text.includes('"db"'), answer.text.includes('PASSWORD')]).toEqual([
      403,
      false,
      false,
    ]);
    expect(answer.body.message).toContain(`what secret "${key}"`);
  }
});

test('a tree that many paths make large is refused', async () => {
  const [wide, deep] = [6, 6];
  const secrets: Record<string, string> = {};
  for (let level = 0; level <= deep; level++) {
    const next = Array.from({ length: wide }, (_, n) => `\${L${level + 1}_${n}}`).join('');
    for (let n = 0; n < wide; n++) secrets[`L${level}_${n}`] = level === deep ? '' : next;
  }
  await server.setSecrets(at.projectId, 'staging', secrets);
  const get = (url: string) =>
    server.send('GET', `/api/v4/secrets/${url}?${query({ ...at, environment: 'staging' })}`, { token: server.admin });
  for (const url of ['L0_0/secret-reference-tree', `L${deep}_0/reference-dependency-tree`]) {
    const { status, body } = await get(url);
    expect([status, body.message]).toEqual([400, expect.stringContaining('more than 10000 nodes')]);
  }
  expect((await get('L3_0/secret-reference-tree')).status).toBe(200);
  expect((await get('L0_0')).status).toBe(200);
});

test('an answer whose values no memory holds is refused', () => {
  const mebibytes = (n: number) => ({ sealedValue: { length: n * 1024 * 1024 } });
  expect(() => refuseTooLarge([mebibytes(40), mebibytes(24)])).not.toThrow();
  expect(() => refuseTooLarge([mebibytes(40), mebibytes(25)])).toThrow('folder by folder');
});
