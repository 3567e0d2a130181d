import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KmsSecrets, RESYNC_ANNOTATION } from '../../operator/kms-secret.ts';
import { KubernetesError } from '../../operator/kubernetes/errors.ts';
import { Reflector } from '../../operator/kubernetes/reflector.ts';
import { type Secret, Secrets } from '../../operator/kubernetes/resources.ts';
import { Clock, noFaketime } from '../faults/support/clocks.ts';
import { Random } from '../faults/support/seeds.ts';
import { TestCluster } from './support/cluster.ts';
import { Gate, type Weather } from './support/gate.ts';
import type { OperatorProcess } from './support/operator-process.ts';

/** Whatever fails meanwhile: in the end every Secret equals KMS, and none was ever empty. */

const SERVICES = 100;
const FAULTS = 500;
const KEYS = 6;

let cluster: TestCluster;
let gate: Gate;
let operator: OperatorProcess;
let clock: Clock;
let started = 0;
/** What KMS has, by service. */
const expected = new Map<string, Record<string, string>>();
const services: { slug: string; namespace: string; projectId: string; identityId: string; clientId: string }[] = [];
/** Every state of a kept Secret without a key in it. */
const empty: string[] = [];
let watcher: Reflector<Secret, true>;

const start = async () => {
  operator = await cluster.operatorProcess(`operator-${started++}`, noFaketime ? {} : clock.faketime);
};

beforeAll(async () => {
  cluster = await TestCluster.start();
  gate = await Gate.before(cluster.url);
  clock = await Clock.ofProgram();
  for (let n = 0; n < 5; n++) await cluster.namespace(`team-${n}`);
  watcher = new Reflector<Secret, true>(cluster.api, Secrets, {
    keep: ({ metadata, data = {} }) => {
      const name = `${metadata.namespace}/${metadata.name}`;
      if (name.endsWith('-secrets') && Object.keys(data).length === 0) empty.push(name);
      return true;
    },
    onChange: () => {},
    onTrouble: () => {},
  });
  for (let n = 0; n < SERVICES; n++) {
    const slug = `service-${n}`;
    const namespace = `team-${n % 5}`;
    const { id: projectId } = await cluster.kms.project(slug);
    const values = Object.fromEntries(Array.from({ length: KEYS }, (_, key) => [`KEY_${key}`, `${slug} ${key}`]));
    await cluster.kms.setSecrets(projectId, 'prod', values);
    const machine = await cluster.kms.machine(`${slug}-service`, { projectId, roles: [{ role: 'viewer' }] });
    await cluster.credentials(slug, namespace, machine);
    await cluster.kmsSecret(slug, namespace, { hostAPI: gate.url, resyncInterval: 5 });
    expected.set(slug, values);
    services.push({ slug, namespace, projectId, identityId: machine.id, clientId: machine.clientId });
  }
  await start();
}, 180_000);
afterAll(async () => {
  await watcher.stop();
  await cluster.close();
  await gate.close();
  await clock.close();
});

const chance = new Random('operator');
const random = () => chance.next();
const pick = <Item>(items: readonly Item[]): Item => chance.pick(items);
const encoded = (text: string) => Buffer.from(text).toString('base64');

/** What a person does while the API server is away is refused, and is no part of the test. */
async function ifServed(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof KubernetesError)) throw error;
  });
}

async function restartApiServer(): Promise<void> {
  await cluster.plane.apiServer.stop('SIGKILL');
  cluster.plane.apiServer.start();
  await cluster.plane.ready();
}

const WEATHER: readonly Weather[] = [
  'down',
  'hang',
  'torn',
  { status: 500, body: { message: 'x' } },
  { status: 200, body: { secrets: [], imports: [] }, path: /secrets\/raw/ },
  { status: 404, body: { reqId: 'r', statusCode: 404, message: 'gone', error: 'NotFound' }, path: /secrets\/raw/ },
  { status: 401, body: { reqId: 'r', statusCode: 401, message: 'who', error: 'Unauthorized' } },
];

const faults: readonly (readonly [weight: number, name: string, strike: () => Promise<void>])[] = [
  [
    30,
    'a value changes in KMS',
    async () => {
      const { slug, projectId } = pick(services);
      const secretKey = `KEY_${Math.floor(random() * KEYS)}`;
      const secretValue = `changed ${random()}`;
      const body = { workspaceId: projectId, environment: 'prod', secretPath: '/', secretValue };
      await cluster.kms.do('PATCH', `/api/v3/secrets/raw/${secretKey}`, { body });
      expected.get(slug)![secretKey] = secretValue;
    },
  ],
  [
    20,
    'somebody edits a Secret',
    async () => {
      const { slug, namespace } = pick(services);
      const data = { [`KEY_${Math.floor(random() * KEYS)}`]: encoded('by hand') };
      await ifServed(cluster.api.patch(Secrets, { namespace, name: `${slug}-secrets` }, { data }, 'somebody'));
    },
  ],
  [
    12,
    'somebody deletes a Secret',
    async () => {
      const { slug, namespace } = pick(services);
      await ifServed(cluster.api.delete(Secrets, { namespace, name: `${slug}-secrets` }));
    },
  ],
  [
    12,
    'KMS fails for a moment',
    async () => {
      gate.weather = pick(WEATHER);
      await sleep(random() * 300);
      gate.weather = 'pass';
      gate.cut();
    },
  ],
  [8, 'the streams break', async () => gate.cut()],
  [
    6,
    'an identity gets another client secret',
    async () => {
      const { slug, namespace, identityId, clientId } = pick(services);
      const base = `/api/v1/auth/universal-auth/identities/${identityId}/client-secrets`;
      const { clientSecret } = await cluster.kms.do('POST', base);
      await ifServed(cluster.credentials(slug, namespace, { clientId, clientSecret }));
    },
  ],
  [
    5,
    'somebody asks for a resync',
    async () => {
      const { slug, namespace } = pick(services);
      const annotations = { [RESYNC_ANNOTATION]: String(random()) };
      await ifServed(
        cluster.api.patch(
          KmsSecrets,
          { namespace, name: `${slug}-kms-sync` },
          { metadata: { annotations } },
          'somebody',
        ),
      );
    },
  ],
  [
    2,
    'etcd hangs',
    async () => {
      cluster.plane.etcd.pause();
      await sleep(random() * 1500);
      cluster.plane.etcd.resume();
    },
  ],
  [
    1,
    'the leader is killed',
    async () => {
      await operator.kill();
      await start();
    },
  ],
  [
    1,
    'the leader hangs',
    async () => {
      operator.signal('SIGSTOP');
      await sleep(random() * 2000);
      operator.signal('SIGCONT');
    },
  ],
  [1, 'the API server is killed, and its watches with it', async () => restartApiServer()],
  [
    1,
    'the history is lost while the operator hangs, and with it what happened',
    async () => {
      const { slug, namespace } = pick(services);
      operator.signal('SIGSTOP');
      await ifServed(cluster.api.delete(Secrets, { namespace, name: `${slug}-secrets` }));
      await restartApiServer();
      operator.signal('SIGCONT');
    },
  ],
  [3, "the operator's clock is set by an hour", async () => clock.jump(pick([-3600, 0, 3600]))],
];

function next() {
  const total = faults.reduce((sum, [weight]) => sum + weight, 0);
  let at = random() * total;
  for (const fault of faults) {
    at -= fault[0];
    if (at < 0) return fault;
  }
  return faults[0]!;
}

async function differing(): Promise<string[]> {
  const wrong = await Promise.all(
    services.map(async ({ slug, namespace }) => {
      const found = await cluster.data(namespace, `${slug}-secrets`).catch(() => undefined);
      return JSON.stringify(Object.entries(found ?? {}).toSorted()) ===
        JSON.stringify(Object.entries(expected.get(slug)!).toSorted())
        ? []
        : [slug];
    }),
  );
  return wrong.flat();
}

test(`${FAULTS} random faults in a row`, { timeout: 600_000 }, async () => {
  await expect.poll(differing, { timeout: 60_000, interval: 500 }).toEqual([]);
  const struck = new Map<string, number>();
  for (let n = 0; n < FAULTS; n++) {
    const [, name, strike] = next();
    struck.set(name, (struck.get(name) ?? 0) + 1);
    await strike();
  }
  console.info('struck:', Object.fromEntries(struck), noFaketime ?? '');
  await expect.poll(differing, { timeout: 120_000, interval: 1000 }).toEqual([]);
  expect(empty).toEqual([]);
});
