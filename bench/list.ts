import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import pg from 'pg';
import { startEmbeddedPostgres } from '../server/database/embedded/index.ts';
import { migrate } from '../server/database/migrate.ts';

/**
 * What the hot path is worth: a list of 20 secrets, as a ratio to two baselines in the same run, on a real Postgres with
 * fsync and with the audit on. The runs are interleaved, since a machine's speed drifts; the median of the pairs counts.
 * `npm run bench [-- --seconds 5 --pairs 5]` prints a table and writes bench/result.json.
 */

const SECRETS = 20;
const option = (name: string, fallback: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const seconds = option('seconds', 4);
const pairs = option('pairs', 5);

const folder = await mkdtemp(join(tmpdir(), 'kms-bench-'));
await chmod(folder, 0o711);
const postgres = await startEmbeddedPostgres({ dataDir: folder });
const targets: ChildProcess[] = [];
try {
  await measure();
} finally {
  for (const target of targets) {
    target.disconnect();
    await once(target, 'exit');
  }
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}

async function start(name: string, settings: Record<string, string>): Promise<string> {
  const file = fileURLToPath(new URL('targets.ts', import.meta.url));
  const child = fork(file, [name, JSON.stringify(settings)], { stdio: 'inherit' });
  targets.push(child);
  const [{ address }] = (await once(child, 'message')) as [{ address: string }];
  return address;
}

async function measure(): Promise<void> {
  await migrate(postgres.uri);
  const keys = { rootKey: randomBytes(32).toString('base64'), authSecret: randomBytes(32).toString('base64') };
  const seeded = await seed(keys);
  const sql = new pg.Client(postgres.uri);
  await sql.connect();
  await sql.query('create table bench_rows (id uuid primary key, at timestamptz default now(), token text, path text)');
  await sql.end();
  const settings = { databaseUri: postgres.uri, body: seeded.body, ...keys };
  const addresses = {
    bare: await start('bare', settings),
    naive: await start('naive', settings),
    ours: await start('ours', settings),
  };

  const rows = [];
  for (const connections of [10, 50]) {
    const rates: Record<keyof typeof addresses, number[]> = { bare: [], naive: [], ours: [] };
    for (let pair = 0; pair < pairs; pair++) {
      for (const [name, address] of Object.entries(addresses) as [keyof typeof addresses, string][]) {
        rates[name].push(await rate(`${address}${seeded.path}`, seeded.token, connections));
      }
    }
    const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
    const ratio = (name: 'bare' | 'naive') => median(rates.ours.map((ours, n) => ours / rates[name][n]!));
    rows.push({
      work: `list ${SECRETS}, ${connections} connections`,
      'ours, req/s': Math.round(median(rates.ours)),
      'bare, req/s': Math.round(median(rates.bare)),
      'naive, req/s': Math.round(median(rates.naive)),
      'of bare': ratio('bare').toFixed(3),
      'of naive': ratio('naive').toFixed(2),
    });
  }
  console.table(rows);
  await writeFile(new URL('result.json', import.meta.url), `${JSON.stringify(rows, null, 2)}\n`);
}

async function rate(url: string, token: string, connections: number): Promise<number> {
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    headers: { authorization: `Bearer ${token}` },
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${url}: ${result.non2xx} refused, ${result.errors} errors`);
  return result.requests.average;
}

/** A service with its secrets and its token, made through the API by a server of its own. */
async function seed(keys: { rootKey: string; authSecret: string }) {
  const { createApp } = await import('../server/app.ts');
  const { parseAuthSecret, parseRootKey } = await import('../keys/index.ts');
  const app = await createApp({
    databaseUri: postgres.uri,
    rootKey: parseRootKey(keys.rootKey),
    authSecret: parseAuthSecret(keys.authSecret),
    allowUnprovenBootstrap: true,
  });
  let token: string | undefined;
  const send = async (method: 'GET' | 'POST', url: string, payload?: object) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await app.inject({ method, url, headers, ...(payload ? { payload } : {}) });
    if (answer.statusCode !== 200) throw new Error(`${method} ${url}: ${answer.body}`);
    return answer;
  };
  const first = { email: 'a@example.com', password: 'correct horse battery staple', organization: 'bench' };
  const { organization, identity } = (await send('POST', '/api/v1/admin/bootstrap', first)).json();
  token = identity.credentials.token as string;
  const project = { projectName: 'bench', slug: 'bench', organizationId: organization.id };
  const { id: projectId } = (await send('POST', '/api/v1/projects', project)).json().project;
  const secrets = Array.from({ length: SECRETS }, (_, n) => ({
    secretKey: `KEY_${n}`,
    secretValue: randomBytes(24).toString('hex'),
  }));
  await send('POST', '/api/v4/secrets/batch', { projectId, environment: 'prod', secrets });
  const machine = (await send('POST', '/api/v1/identities', { name: 'bench', organizationId: organization.id })).json()
    .identity;
  const base = `/api/v1/auth/universal-auth/identities/${machine.id}`;
  const { clientId } = (await send('POST', base, {})).json().identityUniversalAuth;
  const { clientSecret } = (await send('POST', `${base}/client-secrets`, {})).json();
  await send('POST', `/api/v2/workspace/${projectId}/identity-memberships/${machine.id}`, { role: 'viewer' });
  const login = (await send('POST', '/api/v1/auth/universal-auth/login', { clientId, clientSecret })).json();
  token = login.accessToken as string;
  const path = '/api/v3/secrets/raw?environment=prod&workspaceSlug=bench&secretPath=/';
  const { body } = await send('GET', path);
  await app.close();
  return { token, path, body };
}
