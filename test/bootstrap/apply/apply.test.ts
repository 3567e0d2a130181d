import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ApplyStopped, applyPlan } from '../../../bootstrap/apply/apply.ts';
import { mintCredentials } from '../../../bootstrap/apply/credentials.ts';
import { takeOver } from '../../../bootstrap/first-run/first-run.ts';
import { loadInventory, parseInventory } from '../../../bootstrap/inventory/load.ts';
import { readLive } from '../../../bootstrap/live/read.ts';
import { makePlan } from '../../../bootstrap/plan/plan.ts';
import type { Inventory } from '../../../contracts/inventory.ts';
import { makeProof } from '../../../keys/index.ts';
import { Kms } from '../../../sdk/index.ts';
import { thorough } from '../../support/thorough.ts';
import { inventories } from '../plan/inventories.ts';
import { type LiveServer, startLiveServer, writesAmong } from '../support/live-server.ts';

let live: LiveServer;
let kms: Kms;
let folder: string;
const hanzo = await loadInventory(join(import.meta.dirname, '../../../examples/hanzo/kms.yaml'));
const inventoryOf = (text: string) => parseInventory(`version: 1\norganizations:\n${text}`, 'kms.yaml');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kms-apply-'));
  live = await startLiveServer();
  const connection = { url: live.url, fetch: live.fetch };
  const first = { email: 'z@hanzo.ai', organization: 'Hanzo AI', organizationSlug: 'hanzo' };
  await (await takeOver({ connection, state: folder, authSecret: live.authSecret }, first)).finish();
  kms = await live.admin();
});
afterAll(async () => {
  await live.close();
  await rm(folder, { recursive: true });
});

async function apply(inventory: Inventory, client = kms) {
  const state = await readLive(client, inventory);
  const plan = makePlan(inventory, state.world);
  await applyPlan(client, state, plan);
  return plan;
}

test('the Hanzo inventory is applied, and again without a write', async () => {
  await apply(hanzo);
  live.sent.length = 0;
  const again = await apply(hanzo);
  expect(again.steps).toEqual([]);
  expect(again.unchanged).toBe(166);
  expect(again.missing).toHaveLength(219);
  expect(writesAmong(live.sent)).toEqual([]);
  expect(live.sent.length, 'requests to read all of it').toBeLessThanOrEqual(60);
});

test('generated secrets differ in every environment and are not printed', async () => {
  const values = await Promise.all(
    ['dev', 'staging', 'prod'].map(async (environment) => {
      const secret = await kms.secrets.get('DATABASE_PASSWORD', { projectSlug: 'gateway', environment });
      return secret.secretValue;
    }),
  );
  expect(new Set(values).size).toBe(3);
  for (const value of values) expect(value).toMatch(/^[A-Za-z0-9]{32}$/);
});

test('nothing stands in for a secret that needs a value', async () => {
  const secrets = await kms.secrets.list({ projectSlug: 'gateway', environment: 'prod' });
  expect(secrets.map(({ secretKey }) => secretKey).sort()).toEqual(['DATABASE_PASSWORD', 'MASTER_KEY', 'SALT_KEY']);
});

test('a secret that somebody set keeps its value', async () => {
  const at = { projectSlug: 'gateway', environment: 'prod' };
  await kms.secrets.update({ secretKey: 'SALT_KEY', secretValue: 'mine' }, at);
  await apply(hanzo);
  expect(await kms.secrets.get('SALT_KEY', at)).toMatchObject({ secretValue: 'mine', version: 2 });
});

test('a service identity reads its own project in prod alone', async () => {
  const credentials = join(folder, 'credentials');
  const { ids } = await readLive(kms, hanzo);
  const minted = await mintCredentials(kms, ids, hanzo, credentials);
  expect(minted).toHaveLength(11);
  const file = join(credentials, 'gateway-service.json');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const service = new Kms({ url: live.url, credentials: JSON.parse(await readFile(file, 'utf8')) });
  expect(await service.secrets.list({ projectSlug: 'gateway', environment: 'production' })).toHaveLength(3);
  await expect(service.secrets.list({ projectSlug: 'gateway', environment: 'dev' })).rejects.toMatchObject({
    status: 403,
  });
  await expect(service.secrets.list({ projectSlug: 'hanzo-iam', environment: 'prod' })).rejects.toThrow();

  live.sent.length = 0;
  expect(await mintCredentials(kms, ids, hanzo, credentials), 'files that are there are kept').toEqual([]);
  expect(live.sent).toEqual([]);
});

test('a credential that cannot be written is never made', async () => {
  const { ids } = await readLive(kms, hanzo);
  const blocked = join(folder, 'blocked');
  await writeFile(blocked, 'a file, where a folder is wanted');
  live.sent.length = 0;
  await expect(mintCredentials(kms, ids, hanzo, blocked)).rejects.toThrow();
  expect(writesAmong(live.sent)).toEqual([]);
});

test('a credential whose file appeared meanwhile is revoked at once', async () => {
  const { ids } = await readLive(kms, hanzo);
  const target = join(folder, 'raced');
  await mkdir(target);
  // Another run writes the same file while the server is minting.
  const racing = new Kms({
    url: live.url,
    credentials: { token: await tokenOf() },
    fetch: async (input, init) => {
      const answer = await fetch(input, init);
      if (String(input).endsWith('/client-secrets')) await writeFile(join(target, 'iam-service.json'), 'theirs');
      return answer;
    },
  });
  await expect(mintCredentials(racing, ids, hanzo, target)).rejects.toThrow('was revoked');
  expect(await readFile(join(target, 'iam-service.json'), 'utf8')).toBe('theirs');
  expect(await readdir(target)).toEqual(['.gitignore', 'iam-service.json']);
  const left = await kms.identities.clientSecrets(ids.identity.get('hanzo\niam-service') ?? '');
  expect(left.filter((secret) => !secret.isClientSecretRevoked)).toHaveLength(1);
});

test('git sees no credential, and all else in a folder that holds more', async () => {
  const { ids } = await readLive(kms, hanzo);
  const repository = join(folder, 'repository');
  execFileSync('git', ['init', '--quiet', repository]);
  await writeFile(join(repository, 'README.md'), 'mine');
  const seen = () =>
    execFileSync('git', ['-C', repository, 'status', '--porcelain', '--untracked-files=all'], { encoding: 'utf8' });
  await mintCredentials(kms, ids, hanzo, join(repository, 'credentials'));
  expect(seen()).toBe('?? README.md\n');
  await mintCredentials(kms, ids, hanzo, repository);
  expect(seen()).toContain('?? README.md\n');
});

async function tokenOf(): Promise<string> {
  const prove = (request: { method: string; path: string; body: string }) => makeProof(live.authSecret, request);
  return (await new Kms({ url: live.url }).admin.recoverySession('z@hanzo.ai', prove)).accessToken;
}

test.each([
  {
    name: 'a role of an identity in a project',
    from: '[{ project: shop, role: viewer }]',
    to: '[{ project: shop, role: ci, environments: [prod] }]',
  },
  {
    name: 'a limit to environments that goes away',
    from: '[{ project: shop, role: ci, environments: [prod] }]',
    to: '[{ project: shop, role: ci }]',
  },
])('a change of $name is one write, then none', async ({ from, to }) => {
  const text = (projects: string) =>
    `  - slug: shop-org\n    projects: [{ slug: shop }]\n    identities: [{ name: shop-service, projects: ${projects} }]\n`;
  await apply(inventoryOf(text(from)));
  live.sent.length = 0;
  await apply(inventoryOf(text(to)));
  expect(writesAmong(live.sent)).toHaveLength(1);
  live.sent.length = 0;
  await apply(inventoryOf(text(to)));
  expect(writesAmong(live.sent)).toEqual([]);
});

test('names, environments, folders and secrets in folders are applied', async () => {
  const text = (more: string) => `  - slug: deep
    ${more}
    projects:
      - slug: deep
        description: A project with folders
        environments: [dev, { slug: prod, name: Live }, qa]
        folders: [/api/keys]
        secrets: { KEY: { kind: encryption-key, path: /api/keys, environments: [qa], comment: Of the API } }
`;
  await apply(inventoryOf(text('admins: [a@hanzo.ai]')));
  await apply(inventoryOf(text('name: Deep')));
  expect((await apply(inventoryOf(text('name: Deep')))).steps).toEqual([]);
  const at = { projectSlug: 'deep', environment: 'qa', secretPath: '/api/keys' };
  expect((await kms.secrets.get('KEY', at)).secretComment).toBe('Of the API');
});

thorough(
  'an apply that breaks off anywhere is finished by the next',
  async () => {
    const text = (slug: string) => `  - slug: ${slug}
    admins: [a@hanzo.ai, b@hanzo.ai]
    projects: [{ slug: one, environments: [dev, prod, qa], secrets: { A: database-password, B: { kind: encryption-key, path: /x/y } } }]
    identities: [{ name: one-service, projects: [{ project: one, role: viewer, environments: [qa] }] }]
`;
    const token = await tokenOf();
    let broken = 0;
    for (let allowed = 0; ; allowed++) {
      const inventory = inventoryOf(text(`broken-${allowed}`));
      let writes = 0;
      const failing = new Kms({
        url: live.url,
        retries: 0,
        credentials: { token },
        fetch: (input, init) => {
          if (init?.method !== 'GET' && writes++ === allowed)
            return Promise.reject(new TypeError('the connection broke'));
          return fetch(input, init);
        },
      });
      const outcome = await apply(inventory, failing).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (outcome === undefined) break;
      broken++;
      expect(outcome).toBeInstanceOf(ApplyStopped);
      await apply(inventory);
      expect((await apply(inventory)).steps).toEqual([]);
    }
    expect(broken, 'writes of this inventory').toBeGreaterThan(12);
  },
  120_000,
);

test('a write whose answer was lost is not done twice', async () => {
  const inventory = inventoryOf(
    '  - { slug: lost, projects: [{ slug: lost, secrets: { A: encryption-key } }], identities: [{ name: lost-service }] }\n',
  );
  const token = await tokenOf();
  for (let at = 0; at < 8; at++) {
    let writes = 0;
    const deaf = new Kms({
      url: live.url,
      retries: 0,
      credentials: { token },
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        if (init?.method !== 'GET' && writes++ === 0) throw new TypeError('the answer was lost');
        return answer;
      },
    });
    await apply(inventory, deaf).catch(() => {});
  }
  const plan = await apply(inventory);
  expect(plan.steps).toEqual([]);
  const { ids } = await readLive(kms, inventory);
  expect(await kms.identities.list(ids.organization.get('lost') ?? '')).toHaveLength(1);
});

test('a stop says what was done and what was not', async () => {
  const inventory = inventoryOf('  - { slug: half, projects: [{ slug: a }, { slug: b }, { slug: c }] }\n');
  const token = await tokenOf();
  const refusing = new Kms({
    url: live.url,
    credentials: { token },
    fetch: (input, init) =>
      String(init?.body).includes('"slug":"b"')
        ? Promise.resolve(
            Response.json(
              { reqId: 'req-1', statusCode: 403, message: 'not you', error: 'PermissionDenied' },
              { status: 403 },
            ),
          )
        : fetch(input, init),
  });
  const stopped = await apply(inventory, refusing).catch((error: ApplyStopped) => error);
  expect(stopped).toMatchObject({ message: 'not you', failed: { project: 'b' }, left: [{ project: 'c' }] });
  expect((stopped as ApplyStopped).done.map(({ type }) => type)).toEqual(['organization', 'project']);
});

thorough(
  'any inventory is applied by a real server, then unchanged',
  async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(inventories, async (drawn) => {
        run++;
        const inventory = structuredClone(drawn);
        for (const organization of inventory.organizations) organization.slug = `run-${run}-${organization.slug}`;
        await apply(inventory);
        expect((await apply(inventory)).steps).toEqual([]);
      }),
      { numRuns: 8 },
    );
  },
  120_000,
);
