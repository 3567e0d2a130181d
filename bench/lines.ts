import type { Traffic } from './load.ts';
import type { World } from './world.ts';

/** One line of the table: the same traffic for ours and for the baselines, and what the ratios must be at least. */
export interface Line {
  readonly name: string;
  readonly connections: number;
  readonly traffic: (world: World) => Traffic;
  /** Ratios to the baselines, measured side by side. `aim` is where we want to get to. */
  readonly atLeast: { readonly ofBare?: number; readonly ofNaive?: number; readonly ofList?: number };
  readonly aim?: { readonly ofBare: number };
}

const reading =
  (path: (world: World) => string) =>
  (world: World): Traffic => ({
    path: path(world),
    headers: { authorization: `Bearer ${world.token}` },
  });
const list = (size: number) => reading((world) => world.lists.get(size)!.path);

const writing =
  (method: 'POST' | 'PATCH', key: (connection: number, n: number) => string) =>
  (world: World): Traffic => ({
    method,
    path: '/api/v4/secrets/KEY',
    headers: { authorization: `Bearer ${world.adminToken}` },
    body: (connection, n) => ({
      path: `/api/v4/secrets/${key(connection, n)}`,
      body: {
        projectId: world.writtenProjects[connection % world.writtenProjects.length],
        environment: 'dev',
        secretValue: `value ${n}`,
      },
    }),
  });
/** Ours and the baselines run one after another, and each run makes names that no run before it made. */
const fresh = () => `K${process.hrtime.bigint().toString(36).toUpperCase()}`;

export const LIST_20 = list(20);

export const lines: readonly Line[] = [
  {
    name: 'list 20',
    connections: 10,
    traffic: LIST_20,
    atLeast: { ofBare: 0.08, ofNaive: 1.5 },
    aim: { ofBare: 0.15 },
  },
  { name: 'list 20', connections: 50, traffic: LIST_20, atLeast: { ofBare: 0.15 }, aim: { ofBare: 0.3 } },
  { name: 'list 200', connections: 10, traffic: list(200), atLeast: { ofBare: 0.12 }, aim: { ofBare: 0.2 } },
  {
    name: 'get one',
    connections: 10,
    traffic: reading((world) => world.get),
    atLeast: { ofBare: 0.08, ofNaive: 1.5 },
    aim: { ofBare: 0.15 },
  },
  {
    name: 'unchanged list 20',
    connections: 10,
    traffic: (world) => {
      const traffic = LIST_20(world);
      return { ...traffic, headers: { ...traffic.headers, 'if-none-match': world.lists.get(20)!.etag } };
    },
    atLeast: { ofList: 1.5 },
  },
  {
    name: 'login',
    connections: 10,
    traffic: ({ clientId, clientSecret }) => ({
      method: 'POST',
      path: '/api/v1/auth/universal-auth/login',
      body: () => ({ body: { clientId, clientSecret } }),
    }),
    atLeast: { ofBare: 0.06 },
    aim: { ofBare: 0.1 },
  },
  { name: 'create', connections: 10, traffic: writing('POST', fresh), atLeast: { ofBare: 0.02, ofNaive: 0.5 } },
  { name: 'update', connections: 10, traffic: writing('PATCH', () => 'KEY'), atLeast: { ofBare: 0.02, ofNaive: 0.5 } },
];
