import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Pods, Secrets } from '../../operator/kubernetes/resources.ts';
import { TestCluster } from './support/cluster.ts';
import type { OperatorProcess } from './support/operator-process.ts';

/** HIP-27, "Operational Procedures", step by step and with its own commands. What it does in the KMS UI is done over the API. */

let cluster: TestCluster;
let operator: OperatorProcess;
const service = 'billing';
const fixture = readFileSync(new URL('../constructs/fixtures/hip-27-full.yaml', import.meta.url), 'utf8');

const BOOTSTRAP = `kubectl -n hanzo create secret generic <service>-kms-auth \\
  --from-literal=clientId=<id> \\
  --from-literal=clientSecret=<secret> \\
  --dry-run=client -o yaml | kubectl apply -f -`;
const VERIFY = 'kubectl -n hanzo get secret <service>-secrets -o yaml';
const RESTART = 'kubectl -n hanzo rollout restart deployment/<service>';

beforeAll(async () => {
  cluster = await TestCluster.start({ nodes: 2 });
  await cluster.namespace('hanzo');
  operator = await cluster.operatorProcess('operator-1');
});
afterAll(() => cluster.close());

const kms = (method: string, path: string, body?: unknown) => cluster.kms.do(method, path, { body });
const filled = (command: string, values: Record<string, string> = {}) =>
  Object.entries({ service, ...values }).reduce((text, [name, value]) => text.replaceAll(`<${name}>`, value), command);
const manifest = () =>
  filled(fixture, { 'project-slug': service }).replace('hostAPI: https://kms.hanzo.ai', `hostAPI: ${cluster.url}`);
const bootstrap = (id: string, secret: string) => cluster.bash(filled(BOOTSTRAP, { id, secret }));
const content = () => cluster.data('hanzo', `${service}-secrets`);
const reason = async () => (await cluster.synced(service, 'hanzo'))?.reason;
const login = (clientId: string, clientSecret: string) =>
  cluster.kms.send('POST', '/api/v1/auth/universal-auth/login', { body: { clientId, clientSecret } });

interface Identity {
  id: string;
  clientId: string;
  clientSecret: string;
  clientSecretId: string;
}

/** "Create a Machine Identity", "Enable Universal Auth", "Grant". */
async function identity(name: string): Promise<Identity> {
  const body = { name, organizationId: cluster.kms.organizationId, role: 'no-access' };
  const { id } = (await kms('POST', '/api/v1/identities', body)).identity;
  const { clientId } = (await kms('POST', `/api/v1/auth/universal-auth/identities/${id}`)).identityUniversalAuth;
  return { id, clientId, ...(await newSecret(id)) };
}
async function newSecret(id: string) {
  const made = await kms('POST', `/api/v1/auth/universal-auth/identities/${id}/client-secrets`);
  return { clientSecret: made.clientSecret as string, clientSecretId: made.clientSecretData.id as string };
}
const grant = (id: string) =>
  kms('POST', `/api/v2/workspace/${projectId}/identity-memberships/${id}`, { roles: [{ role: 'viewer' }] });
const change = (secretValue: string) =>
  kms('PATCH', '/api/v3/secrets/raw/STRIPE_KEY', {
    workspaceId: projectId,
    environment: 'prod',
    secretPath: '/',
    secretValue,
  });

let projectId: string;
let machine: Identity;

describe('Adding a New Service to KMS', () => {
  test('1. Create a project with slug matching the service name', async () => {
    ({ id: projectId } = await cluster.kms.project(service));
  });

  test('2. Add environments: dev, staging, production', async () => {
    const { workspace } = await kms('GET', `/api/v1/workspace/${projectId}`);
    // They are there from the start; `production` is another word for `prod`.
    expect(workspace.environments.map(({ slug }: { slug: string }) => slug)).toEqual(['dev', 'staging', 'prod']);
  });

  test('3. Add all secret key-value pairs to each environment', async () => {
    for (const environment of ['dev', 'staging', 'production'])
      await cluster.kms.setSecrets(projectId, environment, { STRIPE_KEY: `sk-${environment}`, MODE: environment });
  });

  test('4. to 6. Create a Machine Identity, enable Universal Auth, grant it Viewer', async () => {
    machine = await identity(`${service}-service`);
    await grant(machine.id);
    // HIP-27, "GitHub Actions Pattern", with its own lines.
    const told = await cluster.bash(`
      TOKEN=$(curl -s -X POST \\
        ${cluster.url}/api/v1/auth/universal-auth/login \\
        -H "Content-Type: application/json" \\
        -d "{\\"clientId\\":\\"${machine.clientId}\\",\\"clientSecret\\":\\"${machine.clientSecret}\\"}" \\
        | jq -r '.accessToken')
      SECRETS=$(curl -s \\
        "${cluster.url}/api/v3/secrets/raw?environment=prod&workspaceSlug=${service}&secretPath=/" \\
        -H "Authorization: Bearer $TOKEN")
      echo "MODE=$(echo $SECRETS | jq -r '.secrets[] | select(.secretKey=="MODE") | .secretValue')"`);
    expect(told).toBe('MODE=production\n');
  });

  test('7. Create the bootstrap K8s secret', async () => {
    expect(await bootstrap(machine.clientId, machine.clientSecret)).toBe(`secret/${service}-kms-auth created\n`);
  });

  test('8. Apply the KMSSecret resource', async () => {
    expect(await cluster.apply(manifest())).toBe(
      `kmssecret.secrets.lux.network/${service}-kms-sync serverside-applied\n`,
    );
  });

  test('9. Verify sync', async () => {
    await expect.poll(content).toEqual({ STRIPE_KEY: 'sk-production', MODE: 'production' });
    const yaml = await cluster.bash(filled(VERIFY));
    expect(yaml).toContain(`STRIPE_KEY: ${Buffer.from('sk-production').toString('base64')}`);
  });

  test('its pods read them', async () => {
    await cluster.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${service}, namespace: hanzo }
spec:
  replicas: 2
  selector: { matchLabels: { app: ${service} } }
  template:
    metadata: { labels: { app: ${service} } }
    spec: { containers: [{ name: app, image: 'app:1', envFrom: [{ secretRef: { name: ${service}-secrets } }] }] }
`);
    await cluster.kubectl('-n', 'hanzo', 'rollout', 'status', `deployment/${service}`, '--timeout=40s');
  });
});

describe('Rotating a Machine Identity Secret', () => {
  let before: Identity;
  let logged: number;

  test('1. and 2. Regenerate the client secret; the old one remains valid', async () => {
    before = machine;
    machine = { ...machine, ...(await newSecret(machine.id)) };
    expect(machine.clientSecret).not.toBe(before.clientSecret);
    expect((await login(before.clientId, before.clientSecret)).status).toBe(200);
  });

  test('3. Update the bootstrap K8s secret; the clientId remains stable', async () => {
    logged = operator.lines.length;
    expect(await bootstrap(machine.clientId, machine.clientSecret)).toBe(`secret/${service}-kms-auth configured\n`);
  });

  test('4. and 5. The operator uses the new credentials, as its log says', async () => {
    const synced = () =>
      operator.lines
        .slice(logged)
        .filter(({ msg, kmsSecret }) => msg === 'in sync' && kmsSecret === `hanzo/${service}-kms-sync`);
    await expect.poll(synced).toContainEqual(expect.objectContaining({ identityId: machine.id, keys: 2 }));
    expect(JSON.stringify(operator.lines)).not.toContain(machine.clientSecret);
  });

  test('the old secret ends, and the sync goes on', async () => {
    const base = `/api/v1/auth/universal-auth/identities/${machine.id}/client-secrets`;
    await kms('POST', `${base}/${before.clientSecretId}/revoke`);
    expect((await login(before.clientId, before.clientSecret)).status).toBe(401);
    await change('sk-after-rotation');
    await expect.poll(content).toMatchObject({ STRIPE_KEY: 'sk-after-rotation' });
    expect(await reason()).toBe('Synced');
  });
});

describe('Emergency Secret Revocation', () => {
  const started = new Date();
  let leaked: Identity;
  let uid: string | undefined;
  const secretUid = async () =>
    (await cluster.api.get(Secrets, { namespace: 'hanzo', name: `${service}-secrets` })).metadata.uid;
  const pods = async () =>
    (await cluster.api.list(Pods, { namespace: 'hanzo', labelSelector: `app=${service}` })).items
      .filter(({ metadata, status }) => !metadata.deletionTimestamp && status?.phase === 'Running')
      .map(({ metadata }) => metadata.name);

  test('1. Rotate the secret value immediately', async () => {
    uid = await secretUid();
    await change('sk-clean');
    await expect.poll(content).toMatchObject({ STRIPE_KEY: 'sk-clean' });
  });

  test('2. Revoke the Machine Identity: its secret and its tokens are worth nothing, and the Secret stays', async () => {
    leaked = machine;
    const { accessToken } = (await login(leaked.clientId, leaked.clientSecret)).body;
    await kms('DELETE', `/api/v1/identities/${leaked.id}`);
    expect((await login(leaked.clientId, leaked.clientSecret)).status).toBe(401);
    const list = `/api/v3/secrets/raw?environment=prod&workspaceSlug=${service}&secretPath=/`;
    expect((await cluster.kms.send('GET', list, { token: accessToken })).status).toBe(401);
    await cluster.kubectl(
      '-n',
      'hanzo',
      'annotate',
      'kmssecret',
      `${service}-kms-sync`,
      'secrets.lux.network/resync=now',
      '--overwrite',
    );
    await expect.poll(reason).toBe('CredentialsRefused');
    expect(await content()).toMatchObject({ STRIPE_KEY: 'sk-clean' });
    // Another identity in its place, as for a new service.
    machine = await identity(`${service}-service`);
    await grant(machine.id);
    await bootstrap(machine.clientId, machine.clientSecret);
    await expect.poll(reason).toBe('Synced');
  });

  test('3. Force resync by deleting and re-creating the KMSSecret: the Secret is there all the time', async () => {
    await cluster.bash(`kubectl -n hanzo delete kmssecret ${service}-kms-sync`);
    await cluster.apply(manifest());
    await expect.poll(reason).toBe('Synced');
    expect(await content()).toEqual({ STRIPE_KEY: 'sk-clean', MODE: 'production' });
    expect(await secretUid()).toBe(uid);
  });

  test('4. Restart affected pods to pick up the new values', async () => {
    const old = await pods();
    expect(old).toHaveLength(2);
    expect(await cluster.bash(filled(RESTART))).toBe(`deployment.apps/${service} restarted\n`);
    await cluster.kubectl('-n', 'hanzo', 'rollout', 'status', `deployment/${service}`, '--timeout=40s');
    await expect.poll(async () => (await pods()).filter((name) => old.includes(name))).toEqual([]);
  });

  test('5. Review audit logs: what the leaked identity read and when it ended, without a value', async () => {
    const day = (date: Date) => date.toISOString().slice(0, 10);
    const query = `projectId=${projectId}&startDate=${day(started)}&endDate=${day(new Date())}`;
    const told = await cluster.bash(
      `curl -s "${cluster.url}/api/v1/audit-logs?${query}&limit=200" -H "Authorization: Bearer ${cluster.kms.admin}"`,
    );
    const { auditLogs } = JSON.parse(told);
    const reads = auditLogs.filter((entry: unknown) => JSON.stringify(entry).includes(leaked.id));
    expect(reads.length).toBeGreaterThan(1);
    expect(JSON.stringify(reads)).toContain('STRIPE_KEY');
    expect(told).not.toMatch(/sk-(production|after-rotation|clean)/);
  });
});
