// Infisical's Node client, `@infisical/sdk` 2 (native code within), as its users call it. One line a step.
import { createRequire } from 'node:module';

const { InfisicalClient } = createRequire(`${process.cwd()}/`)(process.argv[2]);
const { KMS_URL: siteUrl, KMS_PROJECT_ID: projectId, KMS_CLIENT_ID: clientId, KMS_CLIENT_SECRET } = process.env;
const at = { projectId, environment: 'dev' };
const open = (clientSecret) =>
  new InfisicalClient({ siteUrl, cacheTtl: 0, auth: { universalAuth: { clientId, clientSecret } } });
const client = open(KMS_CLIENT_SECRET);

async function step(name, run, wanted) {
  try {
    const found = await run();
    console.log(found === wanted ? `ok ${name}` : `not ok ${name}: ${JSON.stringify(found)}`);
  } catch (error) {
    console.log(`not ok ${name}: ${error.message}`);
  }
}
const refused = (run) =>
  run().then(
    () => 'accepted',
    () => 'refused',
  );
const list = async (more) =>
  Object.fromEntries((await client.listSecrets({ ...at, ...more })).map((one) => [one.secretKey, one.secretValue]));

await step(
  'create',
  async () => (await client.createSecret({ ...at, secretName: 'NATIVE', secretValue: 'first' })).version,
  1,
);
await step('get', async () => (await client.getSecret({ ...at, secretName: 'NATIVE' })).secretValue, 'first');
await step(
  'update',
  async () => (await client.updateSecret({ ...at, secretName: 'NATIVE', secretValue: 'second' })).version,
  2,
);
await step('list', async () => (await list({ path: '/' })).NATIVE, 'second');
await step('list expands references', async () => (await list({ expandSecretReferences: true })).REFERS, 'nested!');
await step('list brings imports', async () => (await list({ includeImports: true })).IMPORTED, 'imported');
await step('list recursively', async () => (await list({ recursive: true })).NESTED, 'nested');
await step('delete', async () => (await client.deleteSecret({ ...at, secretName: 'NATIVE' })).secretKey, 'NATIVE');
await step(
  'an absent secret is refused',
  () => refused(() => client.getSecret({ ...at, secretName: 'NATIVE' })),
  'refused',
);
await step('a wrong secret is refused', () => refused(() => open('wrong').listSecrets(at)), 'refused');
