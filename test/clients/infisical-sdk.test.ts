import { InfisicalSDK } from '@infisical/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Machine, startServer, type TestServer } from '../support/server.ts';

/** The published Node client of Infisical, as its users call it, against a server that listens. */

let server: TestServer;
let machine: Machine;
let projectId: string;
let client: InfisicalSDK;

beforeAll(async () => {
  server = await startServer();
  const siteUrl = await server.app.listen({ host: '127.0.0.1', port: 0 });
  projectId = (await server.project('gateway')).id;
  machine = await server.machine('gateway-admin', { projectId, roles: [{ role: 'admin' }], role: 'member' });
  client = new InfisicalSDK({ siteUrl });
  await client.auth().universalAuth.login({ clientId: machine.clientId, clientSecret: machine.clientSecret });
});
afterAll(() => server.close());

const at = () => ({ projectId, environment: 'dev' });

test('a login is renewed, and its token is used', async () => {
  await client.auth().universalAuth.renew();
  expect(client.auth().getAccessToken()).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
});

test('a secret is created, read, changed, listed and deleted', async () => {
  const secrets = client.secrets();
  const { secret: created } = await secrets.createSecret('API_KEY', {
    ...at(),
    secretValue: 'sk-first',
    secretComment: 'a comment',
  });
  expect(created).toMatchObject({
    secretKey: 'API_KEY',
    secretValue: 'sk-first',
    version: 1,
    secretComment: 'a comment',
  });
  expect(await secrets.getSecret({ ...at(), secretName: 'API_KEY' })).toMatchObject({ secretValue: 'sk-first' });
  await secrets.updateSecret('API_KEY', { ...at(), secretValue: 'sk-second' });
  expect(await secrets.getSecret({ ...at(), secretName: 'API_KEY', version: 1 } as never)).toMatchObject({
    secretValue: 'sk-first',
  });
  const { secrets: listed } = await secrets.listSecrets(at());
  expect(listed.map(({ secretKey, secretValue, version }) => [secretKey, secretValue, version])).toEqual([
    ['API_KEY', 'sk-second', 2],
  ]);
  await secrets.deleteSecret('API_KEY', at());
  expect((await secrets.listSecrets(at())).secrets).toEqual([]);
});

test('references are expanded, and imports listed', async () => {
  const secrets = client.secrets();
  await client.folders().create({ ...at(), name: 'shared', path: '/' });
  await secrets.createSecret('HOST', { ...at(), secretPath: '/shared', secretValue: 'db.example.com' });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
  await secrets.createSecret('URL', { ...at(), secretValue: 'https://${dev.shared.HOST}' });
  await server.do('POST', '/api/v1/secret-imports', {
    body: { workspaceId: projectId, environment: 'dev', path: '/', import: { environment: 'dev', path: '/shared' } },
  });
  const found = await secrets.listSecretsWithImports({ ...at(), expandSecretReferences: true });
  expect(Object.fromEntries(found.map(({ secretKey, secretValue }) => [secretKey, secretValue]))).toEqual({
    URL: 'https://db.example.com',
    HOST: 'db.example.com',
  });
});

test('folders, projects and environments are made and listed', async () => {
  await client.folders().create({ ...at(), name: 'oauth', path: '/' });
  const folders = await client.folders().listFolders(at());
  expect(folders.map(({ name }) => name)).toContain('oauth');
  const project = await client
    .projects()
    .create({ projectName: 'Made by the client', type: 'secret-manager' } as never);
  expect(project).toMatchObject({ name: 'Made by the client' });
  const environment = await client
    .environments()
    .create({ projectId: project.id, name: 'Test', slug: 'test' } as never);
  expect(environment).toMatchObject({ slug: 'test' });
});
