// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references are among the values
import type { FastifyInstance } from 'fastify';
import { parseAuthSecret, parseRootKey } from '../../../keys/index.ts';
import { createApp } from '../../../server/app.ts';
import { person } from '../../support/people.ts';
import { startServer, type TestServer } from '../../support/server.ts';
import { folder, query } from './world.ts';

/** Two projects, callers of every kind, and a second server that keeps no answer: each read of it is computed anew. */
export interface Twins {
  readonly server: TestServer;
  readonly fresh: FastifyInstance;
  readonly main: string;
  readonly source: string;
  readonly service: string;
  readonly scoped: string;
  readonly ada: string;
  readonly callers: Readonly<Record<string, string>>;
  readonly roleId: string;
  close(): Promise<void>;
}

export async function startTwins(): Promise<Twins> {
  const server = await startServer();
  const fresh = await createApp({
    databaseUri: server.database.uri,
    rootKey: parseRootKey(server.secrets.rootKey),
    authSecret: parseAuthSecret(server.secrets.authSecret),
    answersLimit: 0,
  });
  const main = (await server.project('main')).id;
  const source = (await server.project('source')).id;
  for (const path of ['/a', '/b']) await folder(server, { projectId: main, path });
  await folder(server, { projectId: source, environment: 'prod', path: '/shared' });
  await server.setSecrets(main, 'dev', { K: 'k', L: 'l' });
  await server.setSecrets(main, 'dev', { K: 'a' }, '/a');
  await server.setSecrets(main, 'prod', { K: 'prod' });
  await server.setSecrets(source, 'prod', { K: 'source' }, '/shared');
  for (const slug of ['red', 'blue']) {
    await server.do('POST', `/api/v1/projects/${main}/tags`, { body: { slug, color: slug } });
  }
  const { role } = await server.do('POST', `/api/v1/projects/${main}/roles`, {
    body: { slug: 'scoped', name: 'Scoped', permissions: rules(0) },
  });
  const service = await server.machine('service', { projectId: main, roles: [{ role: 'viewer' }] });
  const scoped = await server.machine('scoped', { projectId: main, roles: [{ role: 'scoped' }] });
  const ada = await person(server, 'ada@hanzo.ai', { projectId: main });
  const bob = await person(server, 'bob@hanzo.ai', { projectId: main, role: 'developer' });
  const callers = { admin: server.admin, service: service.token, scoped: scoped.token, ada: ada.token, bob: bob.token };
  const close = async () => {
    await fresh.close();
    await server.close();
  };
  const ids = { service: service.id, scoped: scoped.id, ada: ada.token, roleId: role.id };
  return { server, fresh, main, source, callers, close, ...ids };
}

/** The rules that the custom role holds at one time or another. */
const rules = (n: number) =>
  [
    [{ subject: 'secrets', action: ['read'], conditions: { environment: 'dev', secretPath: { $glob: '/a/**' } } }],
    [{ subject: 'secrets', action: ['read'], conditions: { secretName: { $glob: 'K*' } } }],
    [{ subject: 'secrets', action: ['describeSecret'] }],
    [
      { subject: 'secrets', action: ['read'] },
      { subject: 'secrets', action: ['readValue'], inverted: true, conditions: { secretTags: { $in: ['red'] } } },
    ],
  ][n % 4]!;

const lists: readonly [string, Record<string, string>][] = [
  ['/', {}],
  ['/', { recursive: 'true', includePersonalOverrides: 'true' }],
  ['/', { expandSecretReferences: 'false', includeImports: 'false' }],
  ['/', { tagSlugs: 'red' }],
  ['/', { environment: 'prod' }],
  ['/a', { includePersonalOverrides: 'true' }],
];

/** The questions that every caller asks of both servers. */
async function questions({ server, main }: Twins): Promise<string[]> {
  const { rows } = await server.sql.query('select id from secrets where project_id = $1 order by id limit 2', [main]);
  return [
    ...lists.map(([path, more]) => `/api/v4/secrets?${query({ projectId: main, path }, more)}`),
    `/api/v3/secrets/raw?${query({ projectId: main }, { expandSecretReferences: 'true', include_imports: 'true' })}`,
    `/api/v3/secrets/raw?workspaceSlug=main&environment=dev`,
    `/api/v4/secrets/K?${query({ projectId: main })}`,
    `/api/v4/secrets/K?${query({ projectId: main }, { version: '2', includePersonalOverrides: 'true' })}`,
    `/api/v2/secret-imports/secrets?${new URLSearchParams({ projectId: main, environment: 'dev' })}`,
    `/api/v4/secrets/K/secret-reference-tree?${query({ projectId: main })}`,
    ...rows.map(({ id }) => `/api/v4/secrets/id/${id}`),
  ];
}

/** Where the server that holds answers says something else than the one that computes each: empty when nowhere. */
export async function differences(twins: Twins): Promise<string[]> {
  const found: string[] = [];
  const urls = await questions(twins);
  for (const [name, token] of Object.entries(twins.callers)) {
    for (const url of urls) {
      const headers = { authorization: `Bearer ${token}` };
      const [held, anew] = await Promise.all([
        twins.server.app.inject({ url, headers }),
        twins.fresh.inject({ url, headers }),
      ]);
      const text = (answer: typeof held) => `${answer.statusCode} ${answer.body.replace(/"reqId":"[^"]+"/, '')}`;
      if (text(held) !== text(anew)) found.push(`${name} ${url}:\n  held  ${text(held)}\n  fresh ${text(anew)}`);
      if (held.statusCode >= 500) found.push(`${name} ${url}: ${text(held)}`);
    }
  }
  return found;
}

const VALUES = [
  'v1',
  'v2',
  '${K}',
  '${L}',
  '${dev.a.K}',
  '${prod.K}',
  // Not the reference alone: a refusal names it to who may read the value, and a whole value is looked for in refusals.
  'at ${@source.prod.shared.K}',
  '${NOWHERE}',
  'x${L}y',
];
const KEYS = ['K', 'L', 'M', 'KL'];
const PATHS = ['/', '/a', '/b'];
const pick = <Item>(items: readonly Item[], n: number): Item => items[n % items.length]!;

/** One random change; some are refused, which changes nothing. `n` are numbers to choose by. */
export const CHANGES: Readonly<
  Record<string, (twins: Twins, n: readonly [number, number, number]) => Promise<unknown>>
> = {
  create: (t, [a, b, c]) =>
    send(t, 'POST', `/api/v4/secrets/${pick(KEYS, a)}`, { ...at(t, b), secretValue: pick(VALUES, c) }),
  change: (t, [a, b, c]) =>
    send(t, 'PATCH', `/api/v4/secrets/${pick(KEYS, a)}`, { ...at(t, b), secretValue: pick(VALUES, c) }),
  rename: (t, [a, b, c]) =>
    send(t, 'PATCH', `/api/v4/secrets/${pick(KEYS, a)}`, { ...at(t, b), newSecretName: pick(KEYS, c) }),
  renameWriter: async (t, [a]) => {
    const { rows } = await t.server.sql.query('select id from actors where instance_admin');
    return send(t, 'PATCH', `/api/v1/identities/${rows[0].id}`, { name: `admin-${a % 3}` });
  },
  remove: (t, [a, b]) => send(t, 'DELETE', `/api/v4/secrets/${pick(KEYS, a)}`, at(t, b)),
  comment: (t, [a, b, c]) =>
    send(t, 'PATCH', `/api/v4/secrets/${pick(KEYS, a)}`, { ...at(t, b), secretComment: `c${c}` }),
  tag: async (t, [a, b, c]) => {
    const tagIds = (await tags(t)).slice(0, c % 3);
    return send(t, 'PATCH', `/api/v4/secrets/${pick(KEYS, a)}`, { ...at(t, b), tagIds });
  },
  recolor: async (t, [a, b]) =>
    send(t, 'PATCH', `/api/v1/projects/${t.main}/tags/${pick(await tags(t), a)}`, {
      slug: pick(['red', 'blue', 'green'], b),
    }),
  personal: (t, [a, b, c]) =>
    send(
      t,
      pick(['POST', 'PATCH', 'DELETE'], c),
      `/api/v4/secrets/${pick(KEYS, a)}`,
      { ...at(t, b), type: 'personal', secretValue: pick(VALUES, a) },
      t.ada,
    ),
  foldersRenamed: async (t, [a, b]) => {
    const { rows } = await t.server.sql.query(
      `select id from folders where path <> '/' and project_id = $1 order by id`,
      [t.main],
    );
    if (rows.length === 0) return undefined;
    const name = pick(['a', 'b', 'c'], b);
    return send(t, 'PATCH', `/api/v2/folders/${pick(rows, a).id}`, {
      projectId: t.main,
      environment: 'dev',
      path: '/',
      name,
    });
  },
  folderMade: (t, [a]) =>
    send(t, 'POST', '/api/v2/folders', { projectId: t.main, environment: 'dev', path: '/', name: pick(['a', 'b'], a) }),
  folderRemoved: (t, [a]) =>
    send(t, 'DELETE', `/api/v2/folders/${pick(['a', 'b', 'c'], a)}`, {
      projectId: t.main,
      environment: 'dev',
      path: '/',
    }),
  imported: (t, [a, b, c]) => {
    const source = pick(
      [
        { environment: 'dev', path: pick(PATHS, b) },
        { environment: 'prod', path: '/' },
        { environment: 'prod', path: '/shared', projectId: t.source },
      ],
      c,
    );
    return send(t, 'POST', '/api/v2/secret-imports', {
      projectId: t.main,
      environment: 'dev',
      path: pick(PATHS, a),
      import: source,
    });
  },
  importMoved: (t, [a, b]) => onImport(t, a, 'PATCH', { import: { position: 1 + (b % 3) } }),
  importRemoved: (t, [a]) => onImport(t, a, 'DELETE', {}),
  shared: (t) =>
    send(t, 'POST', `/api/v1/projects/${t.source}/folder-shares`, {
      environment: 'prod',
      path: '/shared',
      targetProjectId: t.main,
    }),
  withdrawn: async (t) => {
    const { rows } = await t.server.sql.query('select id from folder_shares');
    return rows[0] && send(t, 'DELETE', `/api/v1/projects/${t.source}/folder-shares/${rows[0].id}`, {});
  },
  sourceChanged: (t, [a]) =>
    send(t, 'PATCH', '/api/v4/secrets/K', {
      projectId: t.source,
      environment: 'prod',
      secretPath: '/shared',
      secretValue: pick(VALUES, a),
    }),
  sourceRenamed: (t, [a]) =>
    send(t, 'PATCH', `/api/v1/projects/${t.source}`, { slug: pick(['source', 'elsewhere'], a) }),
  granted: (t, [a, b]) => {
    const role = pick(['viewer', 'developer', 'ci', 'admin', 'scoped', 'no-access'], a);
    const environments = pick([undefined, ['dev'], ['prod']], b);
    return send(t, 'PATCH', `/api/v2/workspace/${t.main}/identity-memberships/${t.service}`, {
      roles: [{ role, environments }],
    });
  },
  ruled: (t, [a]) => send(t, 'PATCH', `/api/v1/projects/${t.main}/roles/${t.roleId}`, { permissions: rules(a) }),
  policy: (t, [a]) =>
    send(t, 'PATCH', `/api/v1/projects/${t.main}`, { unresolvedReferences: pick(['error', 'keep'], a) }),
};

const at = (t: Twins, n: number) =>
  pick(
    [
      ...PATHS.map((secretPath) => ({ projectId: t.main, environment: 'dev', secretPath })),
      { projectId: t.main, environment: 'prod', secretPath: '/' },
    ],
    n,
  );

const send = ({ server }: Twins, method: string, url: string, body: object, token = server.admin) =>
  server.send(method, url, { token, body });

async function tags({ server, main }: Twins): Promise<string[]> {
  const { rows } = await server.sql.query('select id from tags where project_id = $1 order by id', [main]);
  return rows.map(({ id }) => id);
}

async function onImport(t: Twins, n: number, method: string, body: object) {
  const { rows } = await t.server.sql.query(
    `select i.id, f.path from secret_imports i join folders f on f.id = i.folder_id where i.project_id = $1 order by i.id`,
    [t.main],
  );
  if (rows.length === 0) return undefined;
  const { id, path } = pick(rows, n);
  return send(t, method, `/api/v2/secret-imports/${id}`, { projectId: t.main, environment: 'dev', path, ...body });
}
