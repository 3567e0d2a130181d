// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are what this file is about
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../../support/server.ts';
import { statementsOf } from '../path/statements.ts';
import { auditOf, folder, importInto, query, read, readOne } from './world.ts';

let server: TestServer;
let at: { projectId: string };
let machine: Machine;
let count = 0;

beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

beforeEach(async () => {
  at = { projectId: (await server.project(`references-${++count}`)).id };
  await folder(server, { ...at, path: '/db/main' });
  await server.setSecrets(at.projectId, 'dev', { PASSWORD: 'p', USER: '${NAME}', NAME: 'kms' }, '/db/main');
  await server.setSecrets(at.projectId, 'prod', { TOKEN: 'of prod' });
  machine = await server.machine(`reader-${count}`, { projectId: at.projectId, roles: [{ role: 'viewer' }] });
});

const set = (values: Record<string, string>) => server.setSecrets(at.projectId, 'dev', values);
const one = (key: string, more = {}) => readOne(server, machine.token, key, at, more);
const keep = () => server.do('PATCH', `/api/v1/projects/${at.projectId}`, { body: { unresolvedReferences: 'keep' } });

test.each<{ name: string; value: string; shown: string }>([
  { name: 'a key of the same folder', value: 'x${HOST}y', shown: 'xdby' },
  { name: 'a key of another folder', value: '${dev.db.main.PASSWORD}', shown: 'p' },
  { name: 'a key of another environment', value: '-${prod.TOKEN}', shown: '-of prod' },
  { name: 'the alias of an environment', value: '${production.TOKEN}', shown: 'of prod' },
  { name: 'a reference that refers on, from where it is', value: '${dev.db.main.USER}', shown: 'kms' },
  { name: 'one key twice', value: '${HOST}${HOST}', shown: 'dbdb' },
  { name: 'what is no reference', value: '$HOST ${HOST:-x} ${} $${HOST}', shown: '$HOST ${HOST:-x} ${} $db' },
])('$name is put in, on list and get', async ({ value, shown }) => {
  await set({ HOST: 'db', VALUE: value });
  for (let round = 0; round < 2; round++) {
    expect(await one('VALUE')).toBe(shown);
    expect(await read(server, machine.token, at)).toMatchObject({ own: ['HOST=db', `VALUE=${shown}`] });
  }
  expect(await one('VALUE', { expandSecretReferences: 'false' })).toBe(value);
});

test('v3 leaves values as they are unless told', async () => {
  await set({ HOST: 'db', VALUE: '${HOST}' });
  const get = async (more = {}) =>
    (await server.do('GET', `/api/v3/secrets/raw/VALUE?${query(at, more)}`)).secret.secretValue;
  expect([await get(), await get({ expandSecretReferences: 'true' })]).toEqual(['${HOST}', 'db']);
});

test('an earlier version is put together with what its references lead to now', async () => {
  await set({ HOST: 'db', VALUE: 'x${HOST}' });
  const change = (key: string, secretValue: string) =>
    server.do('PATCH', `/api/v4/secrets/${key}`, { body: { ...at, environment: 'dev', secretValue } });
  await change('VALUE', 'later');
  await change('HOST', 'db2');
  for (let round = 0; round < 2; round++) {
    expect(await one('VALUE', { version: '1' })).toBe('xdb2');
    expect(await one('VALUE', { version: '1', expandSecretReferences: 'false' })).toBe('x${HOST}');
    expect(await one('VALUE', { version: '2' })).toBe('later');
  }
  const shown = (await auditOf(server, machine.id)).slice(0, 2);
  expect(shown.map(({ key, metadata }) => [key, metadata])).toEqual(
    expect.arrayContaining([
      ['VALUE', { version: 1 }],
      ['HOST', { through: 'reference', readIn: at.projectId }],
    ]),
  );
  expect(await one('VALUE', { version: '3' })).toMatchObject({
    status: 404,
    message: expect.stringContaining('secret "VALUE" has no version 3 in project'),
  });
});

test('what a folder imports is read by itself, as it is written', async () => {
  await importInto(server, at, { path: '/db/main' });
  await set({ OWN: 'not shown' });
  const urls = ['v1/secret-imports/secrets/raw', 'v2/secret-imports/secrets', 'v2/secret-imports/secrets/raw'];
  const { environments } = (await server.do('GET', `/api/v1/projects/${at.projectId}`)).project;
  const { id, slug, name } = environments.find((one: any) => one.slug === 'dev');
  for (const url of urls) {
    const query = new URLSearchParams({ workspaceId: at.projectId, environment: 'dev', path: '/' });
    const answer = await server.send('GET', `/api/${url}?${query}`, { token: machine.token });
    const [block, ...more] = answer.body.secrets;
    expect([answer.status, more]).toEqual([200, []]);
    expect(block).toMatchObject({ environment: 'dev', secretPath: '/db/main', environmentInfo: { id, slug, name } });
    const shown = block.secrets.map((s: any) => `${s.secretKey}=${s.secretValue}`);
    expect(shown).toEqual(['NAME=kms', 'PASSWORD=p', 'USER=${NAME}']);
  }
  const [last] = (await auditOf(server, machine.id)).slice(-1);
  expect(last).toMatchObject({ path: '/db/main', keys: ['NAME', 'PASSWORD', 'USER'] });
  const blind = await server.machine(`blind-${count}`, { projectId: at.projectId, roles: [{ role: 'no-access' }] });
  const { id: organizationId } = await server.organization(`strangers-${count}`);
  const stranger = await server.machine(`stranger-${count}`, { organizationId, role: 'admin' });
  const url = `/api/v2/secret-imports/secrets?${query(at)}`;
  expect((await server.send('GET', url, { token: blind.token })).status).toBe(403);
  expect((await server.send('GET', url, { token: stranger.token })).status).toBe(404);
  const encrypted = await server.send('GET', url.replace('v2', 'v1'), { token: machine.token });
  expect([encrypted.status, encrypted.body.message]).toEqual([
    400,
    'this server keeps no end-to-end encrypted secrets; use GET /api/v1/secret-imports/secrets/raw',
  ]);
});

test('an earlier version may refer to what refers to the present one', async () => {
  await set({ A: '${B}', B: 'at ${A}' });
  await server.do('PATCH', '/api/v4/secrets/A', { body: { ...at, environment: 'dev', secretValue: 'present' } });
  expect(await one('A', { version: '1' })).toBe('at present');
});

test('a version of what is imported is read like the secret itself', async () => {
  await importInto(server, at, { path: '/db/main' });
  const body = { ...at, environment: 'dev', secretPath: '/db/main', secretValue: 'second' };
  await server.do('PATCH', '/api/v4/secrets/PASSWORD', { body });
  expect([await one('PASSWORD'), await one('PASSWORD', { version: '1' })]).toEqual(['second', 'p']);
  expect(await one('PASSWORD', { version: '1', includeImports: 'false' })).toMatchObject({ status: 404 });
});

test('a hidden value refers to nothing', async () => {
  await set({ VALUE: '${NOWHERE}' });
  expect(await one('VALUE', { viewSecretValue: 'false' })).toBe('<hidden-by-infisical>');
});

test.each([
  { name: 'an unknown key', reference: '${NOWHERE}' },
  { name: 'an unknown folder', reference: '${dev.nowhere.KEY}' },
  { name: 'an unknown environment', reference: '${qa.KEY}' },
  { name: 'a name that is none', reference: '${dev..KEY}' },
  { name: 'a project that shares nothing', reference: '${@billing.dev.KEY}' },
])('$name is an error that names it, or is kept', async ({ reference }) => {
  await set({ VALUE: `see ${reference}` });
  const refused = {
    status: 400,
    message: expect.stringContaining(
      `secret "VALUE" (environment "dev", path "/") refers to ${reference}, which is not there`,
    ),
  };
  expect(await one('VALUE')).toEqual(refused);
  expect(await read(server, machine.token, at)).toEqual(refused);
  await keep();
  expect(await one('VALUE')).toBe(`see ${reference}`);
  expect(await read(server, machine.token, at)).toMatchObject({ own: [`VALUE=see ${reference}`] });
});

test('a reference that is kept is put in once it leads somewhere', async () => {
  await set({ VALUE: '${dev.later.KEY}' });
  await keep();
  expect(await one('VALUE')).toBe('${dev.later.KEY}');
  await folder(server, { ...at, path: '/later' });
  await server.setSecrets(at.projectId, 'dev', { KEY: 'there' }, '/later');
  expect(await one('VALUE')).toBe('there');
});

test.each<{ name: string; values: Record<string, string>; chain: string }>([
  { name: 'itself', values: { A: '${A}' }, chain: 'dev:/A -> dev:/A' },
  { name: 'another that refers back', values: { A: '${B}', B: 'x${A}' }, chain: 'dev:/A -> dev:/B -> dev:/A' },
])('a secret that refers to $name is an error that names the circle', async ({ values, chain }) => {
  await set(values);
  for (const policy of ['error', 'keep']) {
    if (policy === 'keep') await keep();
    expect(await one('A')).toMatchObject({ status: 400, message: expect.stringContaining(chain) });
  }
});

test('references are followed ten deep, and no deeper', async () => {
  const chain = (length: number) =>
    Object.fromEntries(Array.from({ length: length + 1 }, (_, n) => [`K${n}`, n === length ? 'end' : `\${K${n + 1}}`]));
  await set(chain(10));
  expect(await one('K0')).toBe('end');
  const deeper = { ...at, path: '/deeper' };
  await folder(server, deeper);
  await server.setSecrets(at.projectId, 'dev', chain(11), '/deeper');
  for (const list of [false, true]) {
    const answer = list
      ? await read(server, machine.token, deeper)
      : await readOne(server, machine.token, 'K0', deeper);
    expect(answer).toMatchObject({ status: 400, message: expect.stringContaining('followed 10 deep') });
  }
});

test('values that grow beyond all measure are refused', async () => {
  const double = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`D${n}`, `\${D${n + 1}}`.repeat(10)]));
  await set({ ...double, D9: 'xxxxxxxxxx' });
  expect(await one('D0')).toMatchObject({ status: 400, message: expect.stringContaining('more than 1000000') });
});

test('a reference to what the caller may not read is refused by name', async () => {
  await set({ VALUE: 'see ${prod.TOKEN}', OTHER: 'x' });
  const developer = await server.machine(`developer-${count}`, {
    projectId: at.projectId,
    roles: [{ role: 'developer' }],
  });
  const refused = {
    status: 403,
    message: expect.stringMatching(/secret "VALUE" .* refers to \$\{prod\.TOKEN\}: developer-\d+ may not read/),
  };
  for (let round = 0; round < 2; round++) {
    expect(await one('VALUE')).toBe('see of prod');
    expect(await readOne(server, developer.token, 'VALUE', at)).toEqual(refused);
    expect(await read(server, developer.token, at)).toEqual(refused);
    expect(await readOne(server, developer.token, 'OTHER', at)).toBe('x');
  }
  const { rows } = await server.sql.query(
    `select count(*)::int as n from audit_log where actor_id = $1 and outcome = 'refused' and environment = 'prod'`,
    [developer.id],
  );
  expect(rows[0].n).toBe(4);
});

test('what is not there and what may not be read are told apart only by who may', async () => {
  await set({ VALUE: 'at ${prod.NOWHERE}' });
  const developer = await server.machine(`asker-${count}`, { projectId: at.projectId, roles: [{ role: 'developer' }] });
  expect(await readOne(server, developer.token, 'VALUE', at)).toMatchObject({ status: 403 });
  expect(await one('VALUE')).toMatchObject({ status: 400 });
});

test('a reference looks into what its folder imports', async () => {
  await set({ VALUE: '${PASSWORD}' });
  await importInto(server, at, { path: '/db/main' });
  expect(await one('VALUE', { includeImports: 'false' })).toBe('p');
  const other = { ...at, path: '/other' };
  await folder(server, other);
  await server.setSecrets(at.projectId, 'dev', { FAR: '${dev.PASSWORD}' }, '/other');
  expect(await readOne(server, machine.token, 'FAR', other)).toBe('p');
});

test('an answer with references costs one statement once it is held', async () => {
  await set({ VALUE: '${dev.db.main.PASSWORD}' });
  await one('VALUE');
  expect(await statementsOf(server.sql, () => one('VALUE'))).toEqual({ admit: 1 });
});

test('a value without references costs no more than before', async () => {
  await set({ PLAIN: 'plain' });
  expect(await statementsOf(server.sql, () => one('PLAIN'))).toEqual({ admit: 1, fill: 1 });
});

test.each<{ name: string; write: () => Promise<unknown>; next: unknown }>([
  {
    name: 'a changed target',
    write: () =>
      server.do('PATCH', '/api/v4/secrets/NAME', {
        body: { ...at, environment: 'dev', secretPath: '/db/main', secretValue: 'new' },
      }),
    next: 'is new',
  },
  {
    name: 'a deleted target',
    write: () =>
      server.do('DELETE', '/api/v4/secrets/NAME', { body: { ...at, environment: 'dev', secretPath: '/db/main' } }),
    next: { status: 400, message: expect.stringContaining('is not there') },
  },
])('$name shows in the very next read', async ({ write, next }) => {
  await set({ VALUE: 'is ${dev.db.main.NAME}' });
  expect(await one('VALUE')).toBe('is kms');
  await write();
  expect(await one('VALUE')).toEqual(next);
});

test('the audit tells what was read through a reference, cached or not', async () => {
  await set({ VALUE: '${dev.db.main.PASSWORD}' });
  for (let round = 0; round < 2; round++) await one('VALUE');
  const asked = { path: '/', key: 'VALUE', metadata: null };
  const referred = { path: '/db/main', key: 'PASSWORD', metadata: { through: 'reference', readIn: at.projectId } };
  expect(await auditOf(server, machine.id)).toMatchObject([asked, referred, asked, referred]);
});
