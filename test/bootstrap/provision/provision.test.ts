import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { textsOf } from '../../../bootstrap/cluster/secrets.ts';
import { proverOf } from '../../../bootstrap/first-run/first-run.ts';
import { parseInventory } from '../../../bootstrap/inventory/load.ts';
import { Ids } from '../../../bootstrap/live/ids.ts';
import { enter } from '../../../bootstrap/provision/enter.ts';
import { mintInto } from '../../../bootstrap/provision/mint.ts';
import { untilReady } from '../../../bootstrap/provision/ready.ts';
import { reconcile } from '../../../bootstrap/provision/reconcile.ts';
import { firstCredential, newClientSecret, parseAuthSecret } from '../../../keys/index.ts';
import type { ApplyOptions, KubernetesApi } from '../../../operator/kubernetes/api.ts';
import { KubernetesError } from '../../../operator/kubernetes/errors.ts';
import type { Secret } from '../../../operator/kubernetes/resources.ts';
import { Kms, Unauthorized } from '../../../sdk/index.ts';
import { type LiveServer, startLiveServer } from '../support/live-server.ts';

/** The parts that ask KMS, against a server. What it does in a cluster is in test/cluster/provision.test.ts. */

const inventory = parseInventory(
  `version: 1
organizations:
  - slug: shop
    admins: [z@hanzo.ai, y@hanzo.ai]
    projects: [{ slug: till, folders: [/a, /b], secrets: { DB_PASSWORD: database-password } }]
    identities: [{ name: till-service, projects: [{ project: till, role: viewer }] }]
  - { slug: bank, admins: [z@hanzo.ai] }
`,
  'kms.yaml',
);
const signal = new AbortController().signal;
const quiet = { signal, say: () => {} };

let live: LiveServer;
beforeAll(async () => {
  live = await startLiveServer();
});
afterAll(() => live.close());

const options = () => ({ connection: { url: live.url }, authSecret: live.authSecret });

test('two first runs at once both go in, and one of them was the first', async () => {
  const entered = await Promise.all([enter(options(), inventory), enter(options(), inventory)]);
  expect(entered.map(({ admin }) => admin)).toEqual(['z@hanzo.ai', 'z@hanzo.ai']);
  const { rows } = await live.server.sql.query(
    `select count(*)::int from audit_log where event = 'bootstrap-instance'`,
  );
  expect(rows[0].count).toBe(1);
  // Without the Lease that a cluster has, each finds that the other has done a step. Two identities may have one name, though.
  const nobody = inventory.organizations.map((organization) => ({ ...organization, identities: [] }));
  await Promise.all(entered.map(({ kms }) => reconcile(kms, { ...inventory, organizations: nobody }, quiet)));
  expect(await reconcile(entered[0]!.kms, inventory, quiet)).toMatchObject({ created: 2, changed: 0, needsValue: [] });
  expect(await reconcile(entered[1]!.kms, inventory, quiet)).toMatchObject({ created: 0, changed: 0 });
  expect((await entered[0]!.kms.organizations.list()).map(({ slug }) => slug).toSorted()).toEqual(['bank', 'shop']);
  for (const { leave } of entered) await leave();
});

test('what was used to go in works no more', async () => {
  const { kms, firstRun, leave } = await enter(options(), inventory);
  expect(firstRun).toBe(false);
  const shop = (await kms.organizations.list()).find(({ slug }) => slug === 'shop');
  const identities = await kms.identities.list(shop!.id);
  const first = identities.find(({ identity }) => identity.name === 'Instance Admin Identity');
  const clientId = (await kms.identities.universalAuth(first!.identityId)).clientId;
  await leave();
  await expect(kms.organizations.list()).rejects.toThrow(Unauthorized);
  const clientSecret = firstCredential(live.authSecret);
  await expect(new Kms({ url: live.url }).identities.logIn({ clientId, clientSecret })).rejects.toThrow(Unauthorized);
});

test('a proof with another AUTH_SECRET is told as that, and makes no admin', async () => {
  const fresh = await startLiveServer();
  try {
    const authSecret = parseAuthSecret(randomBytes(32).toString('base64'));
    await expect(enter({ connection: { url: fresh.url }, authSecret }, inventory)).rejects.toMatchObject({
      message: expect.stringContaining('does not take the proof of kms-secrets'),
      hint: expect.stringContaining('its AUTH_SECRET is another one'),
    });
    // Set up by somebody else, with a credential of their own.
    const body = { email: 'ann@hanzo.ai', organization: 'Ann', organizationSlug: 'ann', credential: newClientSecret() };
    await new Kms({ url: fresh.url }).admin.bootstrap(body, proverOf(fresh.authSecret));
    const entering = { connection: { url: fresh.url }, authSecret: fresh.authSecret };
    await expect(enter(entering, inventory)).rejects.toMatchObject({
      message: expect.stringContaining('nobody of z@hanzo.ai, y@hanzo.ai is an admin'),
      hint: expect.stringContaining('--recover'),
    });
    const { admin } = await enter({ ...entering, recover: 'Ann@hanzo.ai' }, inventory);
    expect(admin).toBe('ann@hanzo.ai');
    const nobody = { ...inventory, organizations: inventory.organizations.map((one) => ({ ...one, admins: [] })) };
    await expect(enter(entering, nobody)).rejects.toThrow('nobody is named as admin');
    expect((await enter({ ...entering, recover: 'ann@hanzo.ai' }, nobody)).admin).toBe('ann@hanzo.ai');
  } finally {
    await fresh.close();
  }
});

test('a server that does not come is waited for no longer than told', async () => {
  const lines: string[] = [];
  await expect(
    untilReady({ url: 'http://127.0.0.1:9' }, { seconds: 0, signal, say: (line) => lines.push(line) }),
  ).rejects.toThrow(/http:\/\/127\.0\.0\.1:9 is not ready after 0 seconds: .*cannot be reached/);
  await untilReady({ url: live.url }, { seconds: 5, ...quiet });
});

/** An API server that knows one Secret, and what becomes of writes to it. */
class OneSecret {
  secret: Secret | undefined;
  version = 0;
  /** By turn: stored as it is; stored, with its answer lost; refused. */
  fates: ('lost' | 'conflict' | 'forbidden')[] = [];

  async get(): Promise<Secret> {
    if (!this.secret) throw new KubernetesError(404, 'NotFound', 'not found');
    return this.secret;
  }
  async metadata() {
    return { metadata: { name: 'shop', uid: '5e0c' } };
  }
  async apply(_of: unknown, body: Secret, { dryRun }: ApplyOptions): Promise<void> {
    if (dryRun) return;
    const fate = this.fates.shift();
    if (fate === 'conflict') throw new KubernetesError(409, 'Conflict', 'somebody was faster');
    if (fate === 'forbidden') throw new KubernetesError(403, 'Forbidden', 'no more');
    this.secret = { ...body, metadata: { ...body.metadata, resourceVersion: String(++this.version) } };
    if (fate === 'lost') throw new KubernetesError(0, '', 'the answer broke off');
  }
}

test.each([
  { name: 'stored', fates: [], ends: 'minted', works: true },
  { name: 'stored, with its answer lost', fates: ['lost'], ends: 'kept', works: true },
  { name: 'overtaken once', fates: ['conflict'], ends: 'minted', works: true },
  {
    name: 'overtaken again and again',
    fates: ['conflict', 'conflict', 'conflict'],
    ends: 'somebody was faster',
    works: false,
  },
  { name: 'refused', fates: ['forbidden'], ends: 'no more', works: false },
] as const)('a client secret that is $name leaves no other behind', async ({ fates, ends, works }) => {
  const { kms, leave } = await enter(options(), inventory);
  const { ids } = await reconcile(kms, inventory, quiet);
  const cluster = new OneSecret();
  cluster.fates = [...fates];
  const secret = { namespace: 'shop', name: `till-${randomBytes(3).toString('hex')}` };
  const target = { organization: 'shop', identity: 'till-service', secret, renewable: false };
  const identityId = Ids.of(ids.identity, 'shop', 'till-service');
  const before = (await kms.identities.clientSecrets(identityId)).length;
  const outcome = await mintInto(cluster as unknown as KubernetesApi, kms, ids, target, signal).then(
    ({ state }) => state,
    (error: Error) => error.message,
  );
  expect(outcome).toBe(ends);
  expect((await kms.identities.clientSecrets(identityId)).length - before).toBe(works ? 1 : 0);
  if (cluster.secret) {
    const { clientId = '', clientSecret = '' } = textsOf(cluster.secret);
    await kms.identities.logIn({ clientId, clientSecret });
  }
  await leave();
});
