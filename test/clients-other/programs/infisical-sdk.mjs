// Infisical's Node client, `@infisical/sdk` 3, 4 and 5, as its users call it: `node infisical-sdk.mjs PACKAGE`. One line a step.
import { createRequire } from 'node:module';

const { InfisicalSDK } = createRequire(`${process.cwd()}/`)(process.argv[2]);
const {
  KMS_URL: siteUrl,
  KMS_PROJECT_ID: projectId,
  KMS_CLIENT_ID: clientId,
  KMS_CLIENT_SECRET: clientSecret,
} = process.env;
const at = { projectId, environment: 'dev' };
const client = new InfisicalSDK({ siteUrl });

async function step(name, run, wanted) {
  try {
    const found = await run();
    const right = JSON.stringify(found) === JSON.stringify(wanted);
    console.log(right ? `ok ${name}` : `not ok ${name}: ${JSON.stringify(found)}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.message}`);
  }
}

const refused = async (run) => {
  try {
    await run();
    return 'accepted';
  } catch (error) {
    const said = `${error.message} ${error.statusCode ?? ''}`;
    return /\b(4\d\d)\b/.exec(said)?.[1] ?? said;
  }
};
const values = (secrets) => Object.fromEntries(secrets.map((one) => [one.secretKey, one.secretValue]));

await step('login', async () => typeof (await client.auth().universalAuth.login({ clientId, clientSecret })), 'object');
const secrets = client.secrets();
await step('create', async () => {
  const { secret } = await secrets.createSecret('NODE', { ...at, secretValue: 'first', secretComment: 'of node' });
  return [secret.secretKey, secret.version, secret.secretComment];
}, ['NODE', 1, 'of node']);
await step(
  'a second create is refused',
  () => refused(() => secrets.createSecret('NODE', { ...at, secretValue: 'x' })),
  '409',
);
await step('get', async () => (await secrets.getSecret({ ...at, secretName: 'NODE' })).secretValue, 'first');
await step(
  'update',
  async () => (await secrets.updateSecret('NODE', { ...at, secretValue: 'second' })).secret.version,
  2,
);
await step(
  'rename',
  async () => (await secrets.updateSecret('NODE', { ...at, newSecretName: 'NODES' })).secret.secretKey,
  'NODES',
);
await step('list', async () => values((await secrets.listSecrets(at)).secrets).NODES, 'second');
await step('list with imports and references', async () => {
  const { secrets: own, imports } = await secrets.listSecrets({
    ...at,
    includeImports: true,
    expandSecretReferences: true,
  });
  return [values(own).REFERS, imports.flatMap((one) => one.secrets.map((secret) => secret.secretKey))];
}, ['nested!', ['IMPORTED']]);
await step(
  'list recursively',
  async () => values((await secrets.listSecrets({ ...at, recursive: true })).secrets).NESTED,
  'nested',
);
await step('delete', async () => (await secrets.deleteSecret('NODES', at)).secret.secretKey, 'NODES');
await step(
  'an absent secret is refused',
  () => refused(() => secrets.getSecret({ ...at, secretName: 'ABSENT' })),
  '404',
);
await step(
  'renew',
  async () => typeof (await client.auth().universalAuth.renew?.()),
  client.auth().universalAuth.renew ? 'object' : 'undefined',
);
if (client.folders) {
  await step(
    'merge imports into a list',
    async () => values(await secrets.listSecretsWithImports(at)).IMPORTED,
    'imported',
  );
  await step(
    'create a folder',
    async () => (await client.folders().create({ ...at, name: 'node', path: '/' })).name,
    'node',
  );
  const { listFolders } = client.folders();
  if (listFolders)
    await step('list folders', async () => (await listFolders(at)).some(({ name }) => name === 'node'), true);
  await step(
    'create a project',
    async () => {
      const project = await client.projects().create({ projectName: 'Made by Node', type: 'secret-manager' });
      return project.name;
    },
    'Made by Node',
  );
  await step(
    'create an environment',
    async () => (await client.environments().create({ projectId, name: 'Node', slug: 'node', position: 4 })).slug,
    'node',
  );
}
